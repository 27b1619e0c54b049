#!lua
-- restore: write the configuration into a store that has none (any more).
-- KEYS[1] meta hash  [2] counter of changes; then the hashes of records
-- ARGV[1] what the counter becomes; then per hash: number of records, and each one's id and JSON
-- Returns {"restored"}, or {"present"}: another gateway was faster, and nothing is written.
-- O(records). The counter is written last. Called by store/registry.py, restore().
if redis.call('EXISTS', unpack(KEYS)) > 0 then return {'present'} end
local a = 2
for k = 3, #KEYS do
  local records = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, records do
    redis.call('HSET', KEYS[k], ARGV[a], ARGV[a + 1])
    a = a + 2
  end
end
redis.call('SET', KEYS[2], ARGV[1])
return {'restored'}
