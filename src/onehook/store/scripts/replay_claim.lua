#!lua flags=allow-oom
-- replay_claim: take a bulk replay for a while, or keep it; one runner has it at a time.
-- KEYS[1] replay hash
-- ARGV[1] runner  [2] for how long, ms; 0: give it back
-- Returns {"yours"}, {"taken"} if another runner has it, {"gone"} if there is none. O(1).
-- Called by store/replays.py, claim().
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local found = redis.call('HMGET', KEYS[1], 'status', 'runner', 'until')
if not found[1] then return {'gone'} end
if found[2] and found[2] ~= ARGV[1] and tonumber(found[3]) > now then return {'taken'} end
redis.call('HSET', KEYS[1], 'runner', ARGV[1], 'until', now + tonumber(ARGV[2]))
return {'yours'}
