#!lua flags=allow-oom
-- reseal: write a record of the configuration anew unless that record has changed since it was read.
-- KEYS[1] records hash  [2] counter of changes
-- ARGV[1] id  [2] record as it was read  [3] record as it becomes
-- Returns {"saved"}, or {"changed"}: then nothing is written. O(1). Called by store/rotation.py,
-- reseal(): other records may change all the time, and do not keep it from its end.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return {'changed'} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('INCR', KEYS[2])
return {'saved'}
