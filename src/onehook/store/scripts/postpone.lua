#!lua flags=allow-oom
-- postpone: look at a subscription that is held again in a while, not now.
-- KEYS[1] due zset  ARGV[1] subscription id  [2] ms
-- Returns {moment, ms}. O(log n). Called by store/deliveries.py, postpone().
local t = redis.call('TIME')
local moment = t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], 'XX', moment, ARGV[1])
return {moment}
