#!lua flags=allow-oom
-- record: write down attempts and what follows each, where its lease still holds.
-- KEYS[1] due zset  KEYS[2] untold hash; per record: queue zset, leases hash, deliveries hash, event string,
--   native hash, attempts stream, dead zset
-- ARGV[1] records  [2] event_keep_ms  [3] native_keep_ms  [4] dead_keep_ms  [5] history_keep_ms
--   per record: subscription id, event id, token, delivered|again|dead|cancelled, delay_ms,
--   attempt as JSON ('' for none), last status, last error; if dead: topic and text of the notice
--   to tell, as in claim.lua ('': none)
-- Returns per record "recorded", or "lost" if the lease ran out: another worker has it, and
-- nothing is written. The queue's score changes last: a delivery off the queue without its record
-- would be gone. O(log n) each. Called by store/deliveries.py, record().
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local due, untold, event_keep, native_keep = KEYS[1], KEYS[2], ARGV[2], ARGV[3]
local dead_keep, history_keep = ARGV[4], tonumber(ARGV[5])
local k, a, out = 3, 6, {}

local function finish(deliveries, event, native, keep)
  -- The last delivery of an event ended: from now on time takes it, and its webhook after it.
  -- What became of it is history, and outlives it.
  redis.call('PEXPIRE', deliveries, math.max(tonumber(keep), history_keep))
  redis.call('PEXPIRE', event, keep)
  if redis.call('EXISTS', native) == 1 and redis.call('HINCRBY', native, 'n', -1) <= 0 then
    redis.call('PEXPIRE', native, math.max(native_keep, keep == dead_keep and dead_keep or 0))
  end
end

for i = 1, tonumber(ARGV[1]) do
  local queue, leases, deliveries, event = KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3]
  local native, attempts, dead = KEYS[k + 4], KEYS[k + 5], KEYS[k + 6]
  local sub, eid, token, outcome = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  local delay, row, status, err = ARGV[a + 4], ARGV[a + 5], ARGV[a + 6], ARGV[a + 7]
  k = k + 7
  local topic, notice = '', ''
  a = a + 8
  if outcome == 'dead' then topic, notice, a = ARGV[a], ARGV[a + 1], a + 2 end
  local score = redis.call('ZSCORE', queue, eid)
  if not score or tonumber(score) ~= tonumber(token) then
    out[i] = 'lost'
  else
    local old = redis.call('HGET', deliveries, sub) or 'pending|0||||'
    local n, _, _, _, ids = string.match(old, '^[^|]*|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
    n, ids = tonumber(n) or 0, ids or ''
    if row ~= '' then
      local id = redis.call('XADD', attempts, '*', 'e', eid, 'a', row)
      n = n + 1
      ids = (ids == '' and id) or (ids .. ',' .. id)
    end
    local state, ended = outcome, now
    if outcome == 'again' then state, ended = 'pending', '' end
    redis.call('HSET', deliveries, sub, table.concat({state, n, ended, status, err, ids}, '|'))
    redis.call('HDEL', leases, eid)
    if outcome == 'again' then
      -- A replay has the whole schedule before it: its attempts count from where it began.
      local replay = redis.call('HGET', leases, 'r:' .. eid)
      local before = replay and tonumber(string.match(replay, '^%d+')) or 0
      redis.call('HSET', leases, 'a:' .. eid, n - before)
      local at = now + tonumber(delay)
      redis.call('ZADD', due, 'LT', at, sub)
      redis.call('ZADD', queue, at, eid)
    else
      if topic ~= '' then
        redis.call('HINCRBY', untold, 'n:' .. topic, 1)
        redis.call('HSET', untold, 't:' .. topic, notice)
      end
      if outcome == 'dead' then
        redis.call('ZADD', dead, now, eid)
        redis.call('HSET', deliveries, 'k', dead_keep)
      end
      if redis.call('HINCRBY', deliveries, 'n', -1) <= 0 then
        local longer = redis.call('HGET', deliveries, 'k')
        finish(deliveries, event, native, longer or event_keep)
      end
      redis.call('HDEL', leases, 'a:' .. eid, 'r:' .. eid)
      redis.call('ZREM', queue, eid)
    end
    out[i] = 'recorded'
  end
end
return out
