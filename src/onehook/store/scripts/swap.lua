#!lua flags=allow-oom
-- swap: write or remove a record of the configuration if nothing in it has changed since it was read.
-- KEYS[1] records hash  [2] counter of changes  [3] untold hash
-- ARGV[1] the counter as it was read  [2] id  [3] record as JSON, '' removes it  [4] topic and [5] text of the
--   notice to tell with it, as in claim.lua ('': none)
-- Returns {"saved"}, or {"changed"}: then nothing is written. O(1). Called by store/registry.py,
-- save_if_current() and delete_if_current().
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return {'changed'} end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[2])
else
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
end
redis.call('INCR', KEYS[2])
if ARGV[4] ~= '' then
  redis.call('HINCRBY', KEYS[3], 'n:' .. ARGV[4], 1)
  redis.call('HSET', KEYS[3], 't:' .. ARGV[4], ARGV[5])
end
return {'saved'}
