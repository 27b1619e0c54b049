#!lua flags=allow-oom,no-writes
-- due: which subscriptions have something to deliver now, the longest waiting first.
-- KEYS[1] due zset  ARGV[1] how many at most
-- Returns {subscription id, …}. O(log n + m). Called by store/deliveries.py, due().
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
