#!lua
-- claim: take the right to tell something, and write its notice down; refused if it was taken.
-- KEYS[1] told hash     claim -> the moment it was last taken for, ms
-- KEYS[2] untold hash   n:topic -> facts not told yet, t:topic -> the latest notice as JSON
-- ARGV[1] claim  [2] moment_ms  [3] apart_ms ('': once and for all)  [4] topic ('': only the claim)
--   [5] notice
-- Returns {"claimed"}, or {"taken"} if it was for a moment less than apart_ms earlier, or later.
-- One script: a claim without its notice would be a fact that nobody ever hears of. O(1).
-- Called by store/notices.py, claim().
local told, untold = KEYS[1], KEYS[2]
local moment, apart = tonumber(ARGV[2]), tonumber(ARGV[3])
local last = redis.call('HGET', told, ARGV[1])
if last and (not apart or moment - tonumber(last) < apart) then return {'taken'} end
if ARGV[4] ~= '' then
  redis.call('HINCRBY', untold, 'n:' .. ARGV[4], 1)
  redis.call('HSET', untold, 't:' .. ARGV[4], ARGV[5])
end
redis.call('HSET', told, ARGV[1], ARGV[2])
return {'claimed'}
