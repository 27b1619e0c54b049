#!lua
-- replay: make deliveries due anew, whatever became of them; by itself, or as a step of a bulk replay.
-- KEYS[1] due zset  [2] replay hash  [3] totals hash; per delivery: queue zset, leases hash, deliveries hash, event
--   string, native hash, dead zset, log stream, gate hash
-- ARGV[1] deliveries  [2] replay id ('': by itself, and the hash is not looked at)  [3] runner
--   [4] where the replay stands  [5] where it stands afterwards  [6] events matched  [7] deliveries
--   skipped besides  [8] how long the runner keeps it, ms
--   per delivery: subscription id, event id, type, integration id, held 0|1, hurry 0|1
-- Returns {"stopped"} if the replay has ended, is another runner's or stands elsewhere, and nothing is
-- written; else per delivery "queued", "pending", "hurried" (pending, and due now), "cancelled" or
-- "gone" (its event expired). A replay is queued among the retries: first attempts go before it. One
-- in a hurry asks the gate for one attempt now, whatever it waits for; what waits for its turn in an
-- order, or is in flight, is not hurried. Bands of a queue's scores: store/bands.py.
-- A step and where the replay stands are written at once: whoever repeats the step after an unknown
-- outcome is stopped. A repeat by itself finds the delivery pending. The queue's score is written
-- last: what is in no queue can be replayed again. O(log n) each. Called by store/replays.py.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local due, job, replay = KEYS[1], KEYS[2], ARGV[2]
local WIDTH, RETRY, LEASED = 4e12, 4e12, 8e12
if replay ~= '' then
  local found = redis.call('HMGET', job, 'status', 'runner', 'at')
  if found[1] ~= 'running' or found[2] ~= ARGV[3] or found[3] ~= ARGV[4] then return {'stopped'} end
end
local k, a, out, queued, skipped = 4, 9, {}, 0, tonumber(ARGV[7])

local function make_due(queue, sub, eid, held, gate, hurry)
  if hurry then
    redis.call('HDEL', gate, 'h')
    if redis.call('HGET', gate, 's') == 'open' then redis.call('HSET', gate, 'u', now) end
  end
  if held == '0' then redis.call('ZADD', due, 'LT', now, sub) end
  redis.call('ZADD', queue, RETRY + now, eid)
end

local function state_of(deliveries, sub)
  local state = redis.call('HGET', deliveries, sub)
  if state then return state end
  -- What a commit left to the fan-out is named in one field, until the first attempt is recorded.
  local later = redis.call('HGET', deliveries, 'l')
  local is_later = later and string.find(',' .. later .. ',', ',' .. sub .. ',', 1, true)
  return is_later and 'pending|0||||'
end

for i = 1, tonumber(ARGV[1]) do
  local queue, leases, deliveries, event = KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3]
  local native, dead, log, gate = KEYS[k + 4], KEYS[k + 5], KEYS[k + 6], KEYS[k + 7]
  local sub, eid, type, integration = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  local held, hurry = ARGV[a + 4], ARGV[a + 5] == '1'
  k = k + 8
  a = a + 6
  local old = state_of(deliveries, sub)
  local state, n, ended, status, err, ids =
    string.match(old or '||||||', '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
  if redis.call('EXISTS', event) == 0 then
    out[i] = 'gone'
  elseif state == 'cancelled' then
    out[i] = 'cancelled'
  elseif state == 'pending' then
    out[i] = 'pending'
    local score = tonumber(redis.call('ZSCORE', queue, eid) or LEASED)
    if hurry and score < LEASED and score % WIDTH > now then
      make_due(queue, sub, eid, held, gate, hurry)
      out[i] = 'hurried'
    end
  else
    out[i] = 'queued'
    redis.call('PERSIST', event)
    redis.call('PERSIST', deliveries)
    if redis.call('HINCRBY', deliveries, 'n', 1) == 1 and redis.call('EXISTS', native) == 1 then
      redis.call('HINCRBY', native, 'n', 1)
      redis.call('PERSIST', native)
    end
    redis.call('HSETNX', deliveries, 'at', now)
    if old then
      redis.call('ZREM', dead, eid)
      if state == 'delivered' then redis.call('HINCRBY', KEYS[3], 's:' .. sub .. ':e', -1) end
    else
      n, ids = '0', ''
      redis.call('XADD', log, '*', 'e', eid, 't', type, 'i', integration)
    end
    local mark = table.concat({n, replay == '' and '-' or replay, state, ended}, '|')
    redis.call('HDEL', leases, eid, 'a:' .. eid)
    redis.call('HSET', leases, 'r:' .. eid, mark)
    redis.call('HSET', deliveries, sub, table.concat({'pending', n, '', status, err, ids}, '|'))
    make_due(queue, sub, eid, held, gate, hurry)
  end
  if out[i] == 'queued' then queued = queued + 1 else skipped = skipped + 1 end
end
if replay ~= '' then
  redis.call('HINCRBY', job, 'matched', ARGV[6])
  redis.call('HINCRBY', job, 'queued', queued)
  redis.call('HINCRBY', job, 'skipped', skipped)
  redis.call('HSET', job, 'at', ARGV[5], 'until', now + tonumber(ARGV[8]), 'finished', now)
end
return out
