#!lua
-- restore: write the configuration into a store that came back empty; what is there already stays.
-- KEYS[1] meta hash  [2] counter of changes; then the hashes of records
-- ARGV[1] the life of the store that we knew  [2] the life that begins  [3] our counter of changes
-- [4] number of fields of meta, then each one's name and value; then per hash: number of records,
-- and each one's id and JSON
-- Returns the life that the store is in now: the new one, or that of the gateway that was faster.
-- O(records). Called by store/registry.py, restore().
local meta, counter = KEYS[1], KEYS[2]
local known = redis.call('HMGET', meta, 'life', 'before')
if known[1] and (known[1] == ARGV[1] or known[2] == ARGV[1]) then return {known[1]} end
redis.call('HSET', meta, 'life', ARGV[2], 'before', ARGV[1])
local a = 4
local function take(key)
  local rows = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, rows do
    redis.call('HSETNX', key, ARGV[a], ARGV[a + 1])
    a = a + 2
  end
end
take(meta)
for k = 3, #KEYS do take(KEYS[k]) end
local version = math.max(tonumber(redis.call('GET', counter) or '0'), tonumber(ARGV[3])) + 1
redis.call('SET', counter, string.format('%.0f', version))
return {ARGV[2]}
