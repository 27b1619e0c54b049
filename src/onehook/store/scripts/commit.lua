#!lua
-- commit: make webhooks durable, each whole or not at all; one call, one fsync for the batch.
-- KEYS[1] due zset  KEYS[2] index stream  KEYS[3] quarantine zset  KEYS[4] untold hash
--   KEYS[5..14] references, zsets
--   per webhook: native hash, its markers (strings); per event: event string, deliveries hash;
--   per delivery: queue zset, log stream
-- ARGV[1] webhooks  [2] event_keep_ms  [3] native_keep_ms  [4] marker_keep_ms  [5] quarantine_keep_ms
--   per webhook: id, integration id, markers, receipt, native blob ('' : it comes out of the
--     quarantine, and lies here already), what the quarantine tells of it ('': it goes not there),
--     events; if it goes there: topic and text of the notice to tell, as in claim.lua ('': none)
--   per event: id, type, blob, what it is about, references, deliveries; then each reference
--   per delivery: subscription id, lease_ms (0: due at once), paused 0|1
-- Returns {now_ms, '' or the receipt of the first webhook that had one of the markers, …}: a lease
-- made here ends, and has the token, now_ms + lease_ms. For a webhook that should come out of the
-- quarantine and is not there: its own receipt if it has come out, else '<id> - !gone'.
-- The markers are read first and written last, and the quarantine is left last: Redis keeps what a
-- failing script wrote, and a marker without its events would make a duplicate of nothing.
-- O(deliveries * log n).
-- References go into the zset of their time: each takes an eighth of the events' life, and ends as
-- a whole, half of that after the last of its events may. So an entry costs one ZADD and no
-- sweeping, and there are ten by turns: one is long gone before its turn comes again.
-- Called by store/events.py, commit().
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local due, index, quarantine, untold = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local event_keep, native_keep = ARGV[2], ARGV[3]
local marker_keep, quarantine_keep = ARGV[4], ARGV[5]
local k, a, out = 15, 6, {now}
local span = event_keep / 8
local turn = math.floor(now / span)
local references, indexed = KEYS[5 + turn % 10], false
for _ = 1, tonumber(ARGV[1]) do
  local id, integration, markers = ARGV[a], ARGV[a + 1], tonumber(ARGV[a + 2])
  local receipt, blob, held = ARGV[a + 3], ARGV[a + 4], ARGV[a + 5]
  local released = blob == ''
  local events, topic, notice = tonumber(ARGV[a + 6]), '', ''
  a = a + 7
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
  local open = 0
  for _ = 1, events do
    local eid, type, body, about = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
    local refs, n = tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])
    local event, deliveries = KEYS[k], KEYS[k + 1]
    local first_ref = a + 6
    a = first_ref + refs
    k = k + 2
    -- Its markers ended while it still waits: the vendor's own late redelivery changes nothing.
    -- Nor does what comes out of the quarantine, if such a redelivery was faster.
    local known = n > 0 and (tonumber(redis.call('HGET', deliveries, 'n') or '0') > 0)
      or released and redis.call('EXISTS', event) == 1
    if not seen and not known then
      if n == 0 then
        redis.call('SET', event, body, 'PX', event_keep)
      else
        open = open + 1
        redis.call('SET', event, body)
        redis.call('DEL', deliveries)
        redis.call('HSET', deliveries, 'n', n, 'at', now)
      end
      redis.call('XADD', index, '*', 'e', eid, 't', type, 'i', integration, 'u', about)
      if refs > 0 then
        local members = {}
        for r = 0, refs - 1 do
          members[#members + 1] = 0
          members[#members + 1] = ARGV[first_ref + r]
        end
        redis.call('ZADD', references, unpack(members))
        indexed = true
      end
      for d = 0, n - 1 do
        local sub, score = ARGV[a + d * 3], now + tonumber(ARGV[a + d * 3 + 1])
        redis.call('HSET', deliveries, sub, 'pending|0||||')
        redis.call('XADD', KEYS[k + d * 2 + 1], '*', 'e', eid, 't', type, 'i', integration)
        redis.call('ZADD', KEYS[k + d * 2], score, eid)
        if ARGV[a + d * 3 + 2] == '0' then redis.call('ZADD', due, 'LT', score, sub) end
      end
    end
    a = a + n * 3
    k = k + n * 2
  end
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
      if topic ~= '' then
        redis.call('HINCRBY', untold, 'n:' .. topic, 1)
        redis.call('HSET', untold, 't:' .. topic, notice)
      end
      redis.call('ZADD', quarantine, now, id)
      redis.call('PEXPIRE', native, quarantine_keep)
    elseif open == 0 then
      redis.call('PEXPIRE', native, native_keep)
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
if indexed then
  redis.call('PEXPIREAT', references, math.ceil((turn + 1.5) * span + event_keep))
end
return out
