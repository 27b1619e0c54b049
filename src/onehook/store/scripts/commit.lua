#!lua
-- commit: make webhooks durable, each whole or not at all; one call, one fsync for the batch.
-- KEYS[1] due zset  KEYS[2] untold hash  KEYS[3] fan-out stream
--   per tenant: index stream, quarantine zset, references, ten zsets
--   per webhook: native hash, its markers (strings); per event: event string, deliveries hash;
--   per delivery: queue zset, log stream, gate hash; if limited: dead zset, leases hash, line zset
-- ARGV[1] webhooks  [2] event_keep_ms  [3] native_keep_ms  [4] marker_keep_ms  [5] dead_keep_ms
--   [6] tenants
--   per webhook: id, its tenant's number, integration id, markers, receipt, native blob ('' : it comes out of the
--     quarantine, and lies here already), what the quarantine tells of it ('': it goes not there),
--     events; if it goes there: topic and text of the notice to tell, as in claim.lua ('': none)
--   per event: id, type, blob, what it is about, references, deliveries, how many more of them are
--     left to fanout.lua, in how many texts; then each reference, and each text: subscription ids, commas
--     between them
--   per delivery: subscription id, lease_ms (0: due at once), paused 0|1, limited 0|1; if limited:
--     most queued ('': any), what it is about ('': no order), topic and text of the notice to tell
--     if it is too many
-- Returns {now_ms, '' or the receipt of the first webhook that had one of the markers, …,
-- {subscription id, event id, …}}: a lease made here ends at now_ms + lease_ms, which is its token,
-- in the band of leases; last those that were not made, as a gate is closed or the event is known.
-- For a webhook that should come out of the quarantine and is not there: its own receipt if it has
-- come out, else '<id> - !gone'.
-- The markers are read first and written last, and the quarantine is left last: Redis keeps what a
-- failing script wrote, and a marker without its events would make a duplicate of nothing.
-- O(deliveries * log n).
-- References go into the zset of their time: each takes an eighth of the events' life, and ends as
-- a whole, half of that after the last of its events may. So an entry costs one ZADD and no
-- sweeping, and there are ten by turns: one is long gone before its turn comes again.
-- Bands of a queue's scores, PAUSED_LOOK: store/bands.py. Fields of a gate: store/keys.py.
-- Called by store/events.py, commit().
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local due, untold, fan = KEYS[1], KEYS[2], KEYS[3]
local event_keep, native_keep = ARGV[2], ARGV[3]
local marker_keep, dead_keep = ARGV[4], ARGV[5]
local LEASED, LINE, PAUSED_LOOK = 8e12, 12e12, 10000
local k, a, out, refused = 4, 7, {now}, {}
local span = event_keep / 8
local turn = math.floor(now / span)
local owners = {} -- of each tenant: where its events are listed
for i = 1, tonumber(ARGV[6]) do
  owners[i] = {index = KEYS[k], quarantine = KEYS[k + 1], references = KEYS[k + 2 + turn % 10]}
  k = k + 12
end

local function tell(topic, notice)
  if topic ~= '' then
    redis.call('HINCRBY', untold, 'n:' .. topic, 1)
    redis.call('HSET', untold, 't:' .. topic, notice)
  end
end

local function refuse(sub, eid)
  refused[#refused + 1] = sub
  refused[#refused + 1] = eid
end

local gates, due_at, due_now = {}, {}, {}
local function gate_of(sub, key)
  -- Read once in a batch: nothing in here changes it.
  local found = gates[sub]
  if not found then
    local gate = redis.call('HMGET', key, 's', 'u', 'h')
    local moment = math.max(now, tonumber(gate[2] or 0), tonumber(gate[3] or 0))
    found = {moment = moment, closed = not gate[1] and moment == now}
    gates[sub] = found
  end
  return found
end

local function make_due(sub, moment)
  if not due_at[sub] or moment < due_at[sub] then
    due_at[sub] = moment
    due_now[#due_now + 1] = moment
    due_now[#due_now + 1] = sub
  end
end

local function flush_due()
  -- One call for all subscriptions of a webhook: each costs as much as their entries.
  for from = 1, #due_now, 2000 do -- as many as fit on Lua's stack
    redis.call('ZADD', due, 'LT', unpack(due_now, from, math.min(from + 1999, #due_now)))
  end
  due_now = {}
end

local function line_up(line, leases, gate, queue, key, eid)
  -- Take the last place in the line of *key*; whether somebody is before it.
  local first
  repeat
    first = redis.call('ZRANGEBYLEX', line, '[' .. key .. ':', '(' .. key .. ';', 'LIMIT', 0, 1)[1]
    -- Who left the queue some other way keeps nobody waiting.
    local there = not first or redis.call('ZSCORE', queue, string.match(first, '[^:]*$'))
    if not there then redis.call('ZREM', line, first) end
  until there
  local place = string.format('%s:%016d:%s', key, redis.call('HINCRBY', gate, 'o', 1), eid)
  redis.call('ZADD', line, 0, place)
  redis.call('HSET', leases, 'k:' .. eid, place)
  return first ~= nil
end

local function enqueue(sub, eid, queue, gate, lease, paused, key, leases, line)
  local score, moment = now, now
  if key ~= '' and line_up(line, leases, gate, queue, key, eid) then
    score, moment = LINE + now, nil
  elseif paused then
    moment = now + PAUSED_LOOK
  else
    local at = gate_of(sub, gate)
    if lease > 0 and at.closed then
      score, moment = LEASED + now + lease, now + lease
    else
      moment = at.moment
      if lease > 0 then refuse(sub, eid) end
    end
  end
  redis.call('ZADD', queue, score, eid)
  if moment then make_due(sub, moment) end
end

for _ = 1, tonumber(ARGV[1]) do
  local id, owner, integration = ARGV[a], owners[tonumber(ARGV[a + 1])], ARGV[a + 2]
  local markers, receipt, blob, held = tonumber(ARGV[a + 3]), ARGV[a + 4], ARGV[a + 5], ARGV[a + 6]
  local index, quarantine = owner.index, owner.quarantine
  local released = blob == ''
  local events, topic, notice = tonumber(ARGV[a + 7]), '', ''
  a = a + 8
  if held ~= '' then topic, notice, a = ARGV[a], ARGV[a + 1], a + 2 end
  local native, first_marker = KEYS[k], k + 1
  k = k + 1 + markers
  local seen = false
  if released then
    if not redis.call('ZSCORE', quarantine, id) then
      seen = redis.call('EXISTS', native) == 1 and receipt or id .. ' - !gone'
    end
  else
    for m = first_marker, first_marker + markers - 1 do
      seen = seen or redis.call('GET', KEYS[m])
    end
  end
  local open, lasting = 0, false
  for _ = 1, events do
    local eid, type, body, about = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
    local refs, made = tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])
    local n, texts = made + tonumber(ARGV[a + 6]), tonumber(ARGV[a + 7])
    local event, deliveries = KEYS[k], KEYS[k + 1]
    local first_ref, first_text = a + 8, a + 8 + refs
    a = first_text + texts
    k = k + 2
    -- Its markers ended while it still waits: the vendor's own late redelivery changes nothing.
    -- Nor does what comes out of the quarantine, if such a redelivery was faster.
    local known = n > 0 and (tonumber(redis.call('HGET', deliveries, 'n') or '0') > 0)
      or released and redis.call('EXISTS', event) == 1
    local fresh = not seen and not known
    if fresh then
      if n == 0 then
        redis.call('SET', event, body, 'PX', event_keep)
      else
        open = open + 1
        redis.call('SET', event, body)
        redis.call('DEL', deliveries)
      end
      redis.call('XADD', index, '*', 'e', eid, 't', type, 'i', integration, 'u', about)
      if refs > 0 then
        local members = {}
        for r = 0, refs - 1 do
          members[#members + 1] = 0
          members[#members + 1] = ARGV[first_ref + r]
        end
        redis.call('ZADD', owner.references, unpack(members))
        owner.indexed = true
      end
    end
    local too_many, states = 0, {'at', now}
    for _ = 1, made do
      local sub, lease, paused = ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2] == '1'
      local limited, queue, log, gate = ARGV[a + 3] == '1', KEYS[k], KEYS[k + 1], KEYS[k + 2]
      local most, key, full_topic, full_notice, dead, leases, line = '', '', '', '', '', '', ''
      a = a + 4
      k = k + 3
      if limited then
        most, key, full_topic, full_notice = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
        dead, leases, line = KEYS[k], KEYS[k + 1], KEYS[k + 2]
        a = a + 4
        k = k + 3
      end
      if fresh then
        redis.call('XADD', log, '*', 'e', eid, 't', type, 'i', integration)
        states[#states + 1] = sub
        if most ~= '' and redis.call('ZCARD', queue) >= tonumber(most) then
          too_many = too_many + 1
          states[#states + 1] = 'dead|0|' .. now .. '||overflow|'
          redis.call('ZADD', dead, now, eid)
          tell(full_topic, full_notice)
        else
          states[#states + 1] = 'pending|0||||'
          enqueue(sub, eid, queue, gate, lease, paused, key, leases, line)
        end
      elseif not seen and lease > 0 then
        refuse(sub, eid)
      end
    end
    if fresh then
      for text = first_text, first_text + texts - 1 do
        redis.call('XADD', fan, '*', 'e', eid, 't', type, 'i', integration, 's', ARGV[text])
      end
      if texts > 0 then
        states[#states + 1] = 'l'
        states[#states + 1] = table.concat(ARGV, ',', first_text, first_text + texts - 1)
      end
    end
    if fresh and n > 0 then
      for from = 1, #states, 2000 do -- as many as fit on Lua's stack
        redis.call('HSET', deliveries, unpack(states, from, math.min(from + 1999, #states)))
      end
      redis.call('HSET', deliveries, 'n', n - too_many)
    end
    if too_many > 0 then
      redis.call('HSET', deliveries, 'k', dead_keep)
      if too_many == n then
        redis.call('PEXPIRE', deliveries, dead_keep)
        redis.call('PEXPIRE', event, dead_keep)
        open = open - 1
        lasting = true
      end
    end
  end
  flush_due()
  if seen then
    out[#out + 1] = seen
  else
    if released then
      redis.call('HSET', native, 'n', open)
      redis.call('HDEL', native, 'q')
    else
      redis.call('HSET', native, 'b', blob, 'n', open)
    end
    if held ~= '' then
      redis.call('HSET', native, 'q', held)
      tell(topic, notice)
      redis.call('ZADD', quarantine, now, id)
      redis.call('PEXPIRE', native, dead_keep)
    elseif open == 0 then
      redis.call('PEXPIRE', native, lasting and dead_keep or native_keep)
    else
      redis.call('PERSIST', native)
    end
    for m = first_marker, first_marker + markers - 1 do
      if released then
        redis.call('SET', KEYS[m], receipt, 'XX', 'KEEPTTL')
      else
        redis.call('SET', KEYS[m], receipt, 'PX', marker_keep)
      end
    end
    if released then redis.call('ZREM', quarantine, id) end
    out[#out + 1] = ''
  end
end
for _, owner in ipairs(owners) do
  if owner.indexed then
    redis.call('PEXPIREAT', owner.references, math.ceil((turn + 1.5) * span + event_keep))
  end
end
out[#out + 1] = refused
return out
