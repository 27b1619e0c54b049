#!lua flags=allow-oom
-- settle: facts of one topic were told; what came meanwhile stays to be told.
-- KEYS[1] untold hash, as in claim.lua
-- ARGV[1] topic  [2] how many were told
-- Returns {how many are left}. A crash before this leaves them untold: they are told again, as the
-- same event. O(1). Called by store/notices.py, settle().
local left = redis.call('HINCRBY', KEYS[1], 'n:' .. ARGV[1], -tonumber(ARGV[2]))
if left <= 0 then
  redis.call('HDEL', KEYS[1], 'n:' .. ARGV[1], 't:' .. ARGV[1])
end
return {math.max(left, 0)}
