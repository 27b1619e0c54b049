#!lua flags=allow-oom
-- resume: forget a subscription's failures, and let what it has queued go on, one delivery first.
-- KEYS[1] queue zset  [2] due zset  [3] gate hash
-- ARGV[1] subscription id
-- Returns "open" if something is queued: its breaker is open with a probe due now, whose success
-- lets go the rest; else "closed". O(log n). Called by store/deliveries.py, resume().
local queue, due, gate = KEYS[1], KEYS[2], KEYS[3]
redis.call('HDEL', gate, 'f', 'd', 's', 'u', 'b', 'p', 'h')
if redis.call('ZCARD', queue) == 0 then return {'closed'} end
redis.call('HSET', gate, 's', 'open')
redis.call('ZADD', due, 0, ARGV[1])
return {'open'}
