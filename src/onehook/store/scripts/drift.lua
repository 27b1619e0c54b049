#!lua
-- drift: add counts of what did not fit, each under its name.
-- KEYS[1] drift hash: name -> count|first_ms|last_ms|sample; '' -> counts that found no place
-- ARGV[1] most names  [2] keep_ms  per row: name, count, sample
-- Returns {}. Where the hash is full, names that were not seen for keep_ms make room once; what finds
-- none is counted under ''. O(rows), and O(names) where it is full. Not to be repeated after a lost
-- reply, if the counts are to be exact. Called by store/drift.py, flush().
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local hash, most, keep = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local names, swept = redis.call('HLEN', hash) - redis.call('HEXISTS', hash, ''), false
for a = 3, #ARGV, 3 do
  local name, count, sample = ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2]
  local old = redis.call('HGET', hash, name)
  if not old and names >= most and not swept then
    swept = true
    local all = redis.call('HGETALL', hash)
    for i = 1, #all, 2 do
      local last = string.match(all[i + 1], '^%d+|%d+|(%d+)|')
      if last and tonumber(last) < now - keep then
        redis.call('HDEL', hash, all[i])
        names = names - 1
      end
    end
  end
  if old then
    local before, first = string.match(old, '^(%d+)|(%d+)|')
    local total = string.format('%d', tonumber(before) + count)
    redis.call('HSET', hash, name, table.concat({total, first, now, sample}, '|'))
  elseif names < most then
    names = names + 1
    redis.call('HSET', hash, name, table.concat({count, now, now, sample}, '|'))
  else
    redis.call('HINCRBY', hash, '', count)
  end
end
redis.call('PEXPIRE', hash, keep)
return {}
