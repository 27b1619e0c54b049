#!lua flags=allow-oom
-- record: write down attempts and what follows each, where its lease still holds.
-- KEYS[1] due zset  [2] untold hash; per tenant: totals hash, hash of this minute's counts; per
--   record: queue zset, leases hash, deliveries hash, event string, native hash, attempts stream, dead zset,
--   gate hash, line zset
-- ARGV[1] records  [2] event_keep_ms  [3] native_keep_ms  [4] dead_keep_ms  [5] history_keep_ms
--   [6] minute_keep_ms  [7] failed attempts that open a breaker  [8] first and [9] longest ms until
--   a probe  [10] tenants
--   per record: its tenant's number, subscription id, event id, token, delivered|again|dead|cancelled, delay_ms,
--   attempt as JSON ('' for none), last status, last error, event type, integration id, ms for
--   which the subscription is held; if dead: topic and text of the notice to tell, as in claim.lua
--   ('': none)
-- Returns per record "lost" if the lease ran out: another worker has it, and nothing is written;
-- "recorded"; or, where its gate is not clear, {"recorded", closed|open|probing, failed attempts
-- in a row, deliveries in a row that used up their attempts, moment before which nothing is leased
-- or 0}. The queue's score changes last: a delivery off the queue without its record would be gone.
-- Bands of the queue's scores: store/bands.py. Fields of the gate: store/keys.py.
-- O(log n) each. Called by store/deliveries.py, record_attempts().
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local due, untold, event_keep, native_keep = KEYS[1], KEYS[2], ARGV[2], ARGV[3]
local dead_keep, history_keep = ARGV[4], tonumber(ARGV[5])
local opens_at, first_wait, longest_wait = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local RETRY, LINE, ATTEMPT = 4e12, 12e12, 60000
local k, a, out = 3, 11, {}
local owners = {} -- of each tenant: fields of its counters, as in store/statistics.py
for i = 1, tonumber(ARGV[10]) do
  owners[i] = {totals = KEYS[k], minute = KEYS[k + 1], made = {}, ended = {}, attempted = {}}
  k = k + 2
end

local function count(of, field)
  of[field] = (of[field] or 0) + 1
end

local function tally(made, sub, type, integration, what)
  count(made, 'a:' .. what)
  count(made, 's:' .. sub .. ':' .. what)
  count(made, 'i:' .. integration .. ':' .. what)
  count(made, 't:' .. type .. ':' .. what)
end

local function keep_counts(owner)
  local totals, minute = owner.totals, owner.minute
  for field, n in pairs(owner.made) do
    redis.call('HINCRBY', totals, field, n)
    redis.call('HINCRBY', minute, field, n)
  end
  for field, n in pairs(owner.ended) do redis.call('HINCRBY', totals, field, n) end
  for sub in pairs(owner.attempted) do redis.call('HSET', totals, 's:' .. sub .. ':l', now) end
  if next(owner.made) then redis.call('PEXPIRE', minute, ARGV[6]) end
end

local function finish(deliveries, event, native, keep)
  -- The last delivery of an event ended: from now on time takes it, and its webhook after it.
  -- What became of it is history, and outlives it.
  redis.call('PEXPIRE', deliveries, math.max(tonumber(keep), history_keep))
  redis.call('PEXPIRE', event, keep)
  if redis.call('EXISTS', native) == 1 and redis.call('HINCRBY', native, 'n', -1) <= 0 then
    redis.call('PEXPIRE', native, math.max(native_keep, keep == dead_keep and dead_keep or 0))
  end
end

local gates = {}
local function gate_of(key)
  local gate = gates[key]
  if not gate then
    local found = redis.call('HMGET', key, 'f', 'd', 's', 'u', 'b', 'p', 'h', 't', 'o')
    gate = {
      key = key, failed = tonumber(found[1] or 0), used_up = tonumber(found[2] or 0),
      breaker = found[3], wait = tonumber(found[5] or 0), probe = found[6],
      next_probe = tonumber(found[4] or 0), held = tonumber(found[7] or 0),
      limited = found[8], ordered = found[9],
    }
    gates[key] = gate
  end
  return gate
end

local function open(gate, sub, wait, from)
  gate.breaker, gate.wait, gate.next_probe, gate.probe = 'open', wait, from, nil
  redis.call('HSET', gate.key, 's', 'open', 'b', wait, 'u', from)
  redis.call('HDEL', gate.key, 'p')
  redis.call('ZADD', due, from, sub)
end

local function succeeded(gate, sub)
  if gate.breaker then redis.call('ZADD', due, 'LT', now, sub) end
  if gate.breaker or gate.failed > 0 or gate.used_up > 0 then
    gate.failed, gate.used_up, gate.breaker, gate.wait, gate.probe = 0, 0, false, 0, nil
    gate.next_probe = 0
    redis.call('HDEL', gate.key, 'f', 'd', 's', 'u', 'b', 'p')
  end
end

local function failed(gate, sub, eid, outcome, hold)
  gate.failed = redis.call('HINCRBY', gate.key, 'f', 1)
  if outcome == 'dead' then gate.used_up = redis.call('HINCRBY', gate.key, 'd', 1) end
  if gate.probe == eid then
    local wait = math.min(math.max(gate.wait * 2, first_wait), longest_wait)
    open(gate, sub, wait, now + wait)
  elseif not gate.breaker and gate.failed >= opens_at then
    open(gate, sub, first_wait, now + first_wait)
  end
  if hold > 0 and now + hold > gate.held then
    gate.held = now + hold
    redis.call('HSET', gate.key, 'h', gate.held)
  end
end

local function unattempted(gate, sub, eid)
  -- It was leased and is handed back, or ended unattempted: it took nothing from anyone.
  if gate.probe == eid then open(gate, sub, gate.wait, now) end
  if gate.limited then redis.call('HINCRBY', gate.key, 't', ATTEMPT) end
end

local function next_in_line(gate, sub, queue, leases, line, eid)
  -- It has left the line of its key: whoever is first there now is due.
  local place = redis.call('HGET', leases, 'k:' .. eid)
  if not place then return end
  redis.call('ZREM', line, place)
  redis.call('HDEL', leases, 'k:' .. eid)
  local key = string.match(place, '^[^:]*')
  while true do
    local range = redis.call('ZRANGEBYLEX', line, '[' .. key .. ':', '(' .. key .. ';', 'LIMIT', 0, 1)
    if not range[1] then break end
    local id = string.match(range[1], '[^:]*$')
    local score = redis.call('ZSCORE', queue, id)
    if score and tonumber(score) >= LINE then
      redis.call('ZADD', due, 'LT', now, sub)
      redis.call('ZADD', queue, now, id)
    end
    if score then return end
    redis.call('ZREM', line, range[1]) -- it left the queue some other way
  end
  if redis.call('EXISTS', line) == 0 then
    gate.ordered = false
    redis.call('HDEL', gate.key, 'o')
  end
end

for i = 1, tonumber(ARGV[1]) do
  local queue, leases, deliveries, event = KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3]
  local native, attempts, dead = KEYS[k + 4], KEYS[k + 5], KEYS[k + 6]
  local gate_key, line = KEYS[k + 7], KEYS[k + 8]
  local owner = owners[tonumber(ARGV[a])]
  a = a + 1
  local sub, eid, token, outcome = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  local delay, row, status, err = ARGV[a + 4], ARGV[a + 5], ARGV[a + 6], ARGV[a + 7]
  local type, integration, hold = ARGV[a + 8], ARGV[a + 9], tonumber(ARGV[a + 10])
  k = k + 9
  local topic, notice = '', ''
  a = a + 11
  if outcome == 'dead' then topic, notice, a = ARGV[a], ARGV[a + 1], a + 2 end
  local score = redis.call('ZSCORE', queue, eid)
  if not score or tonumber(score) ~= tonumber(token) then
    out[i] = 'lost'
  else
    local gate = gate_of(gate_key)
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
    if row == '' then
      unattempted(gate, sub, eid)
    elseif outcome == 'delivered' then
      succeeded(gate, sub)
    else
      failed(gate, sub, eid, outcome, hold)
    end
    if outcome == 'again' then
      -- A replay has the whole schedule before it: its attempts count from where it began.
      local replay = redis.call('HGET', leases, 'r:' .. eid)
      local before = replay and tonumber(string.match(replay, '^%d+')) or 0
      redis.call('HSET', leases, 'a:' .. eid, n - before)
      local at = now + tonumber(delay)
      redis.call('ZADD', due, 'LT', math.max(at, gate.next_probe, gate.held), sub)
      redis.call('ZADD', queue, (n > 0 or replay) and RETRY + at or at, eid)
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
      if gate.ordered then next_in_line(gate, sub, queue, leases, line, eid) end
      redis.call('ZREM', queue, eid)
    end
    if row ~= '' then
      owner.attempted[sub] = true
      tally(owner.made, sub, type, integration, outcome == 'delivered' and 'o' or 'f')
      if outcome == 'dead' then tally(owner.made, sub, type, integration, 'd') end
    end
    if outcome == 'delivered' then count(owner.ended, 's:' .. sub .. ':e') end
    if outcome == 'cancelled' then count(owner.ended, 's:' .. sub .. ':x') end
    local until_ = math.max(gate.next_probe, gate.held)
    if gate.breaker or gate.failed > 0 or gate.used_up > 0 or until_ > now then
      out[i] = {'recorded', gate.breaker or 'closed', gate.failed, gate.used_up, until_}
    else
      out[i] = 'recorded'
    end
  end
end
for _, owner in ipairs(owners) do keep_counts(owner) end
return out
