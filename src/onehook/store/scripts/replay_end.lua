#!lua flags=allow-oom
-- replay_end: a bulk replay is done, or was cancelled; whichever comes first holds.
-- KEYS[1] replay hash
-- ARGV[1] done|cancelled
-- Returns {the status that holds}, or {"gone"} if there is no such replay. O(1).
-- From here on no step of it does anything. Called by store/replays.py, end().
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return {'gone'} end
if status ~= 'running' then return {status} end
local t = redis.call('TIME')
if ARGV[1] == 'cancelled' then
  redis.call('HSET', KEYS[1], 'finished', t[1] * 1000 + math.floor(t[2] / 1000))
end
redis.call('HSET', KEYS[1], 'status', ARGV[1])
return {ARGV[1]}
