#!lua flags=allow-oom
-- lease: take due deliveries of one subscription for lease_ms, as many as its gate lets through.
-- KEYS[1] queue zset  [2] leases hash  [3] due zset  [4] gate hash
-- ARGV[1] subscription id  [2] how many at most  [3] lease_ms  [4] retries among them at most
--   [5] attempts a minute ('': any number)  [6] of these at once  [7] in flight at most ('': any)
-- Returns {token, event id, leases so far, attempts so far, replayed 0|1, …}: the token is the score
-- that the lease set, and a record must show it. The attempts of a replay count from its beginning.
-- A crash after this leaves deliveries that come due again by themselves. First what such a crash
-- left; then, each oldest first, three first attempts and a retry or replay by turns. Nothing
-- before the gate's moments, and one alone while its breaker is open: a retry rather than a first
-- attempt, so that what is new keeps all of its attempts.
-- Bands of the queue's scores: store/bands.py. Fields of the gate: store/keys.py. The bucket is
-- kept in 60,000ths of an attempt, so that what a millisecond adds is whole.
-- O(m log n). Called by store/deliveries.py, lease().
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local WIDTH, RETRY, LEASED, LINE, ATTEMPT = 4e12, 4e12, 8e12, 12e12, 60000
local queue, leases, due, gate = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local sub, want, per_minute = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[5])
local lease_ends = now + tonumber(ARGV[3])
local found = redis.call('HMGET', gate, 's', 'u', 'h', 't', 'r', 'n')
local breaker, turns = found[1], tonumber(found[6] or 0)
local not_before = math.max(tonumber(found[2] or 0), tonumber(found[3] or 0))
local level

if not_before > now then
  want = 0
elseif breaker then
  want = math.min(want, 1)
end
if ARGV[7] ~= '' then
  local in_flight = redis.call('ZCOUNT', queue, '(' .. LEASED + now, '(' .. LINE)
  want = math.min(want, tonumber(ARGV[7]) - in_flight)
end
if per_minute and want > 0 then
  level = tonumber(ARGV[6]) * ATTEMPT
  if found[4] then
    local refilled = math.max(0, now - tonumber(found[5])) * per_minute
    level = math.min(level, tonumber(found[4]) + refilled)
  end
  if level < ATTEMPT then
    not_before = now + math.ceil((ATTEMPT - level) / per_minute)
    redis.call('HSET', gate, 'h', not_before)
  end
  want = math.min(want, math.floor(level / ATTEMPT))
end

local function first(band, most)
  if most <= 0 then return {} end
  return redis.call('ZRANGEBYSCORE', queue, band, band + now, 'LIMIT', 0, most)
end

local picked = {}
if want > 0 then
  local lapsed, fresh = first(LEASED, want), first(0, want)
  local retries = first(RETRY, math.min(want, breaker and 1 or tonumber(ARGV[4])))
  local l, f, r = 1, 1, 1
  for _ = 1, want do
    local retry = retries[r] and not fresh[f]
    if retries[r] and fresh[f] and not lapsed[l] then
      turns = turns + 1
      retry = breaker or turns % 4 == 0
    end
    if lapsed[l] then
      picked[#picked + 1], l = lapsed[l], l + 1
    elseif retry then
      picked[#picked + 1], r = retries[r], r + 1
    else
      picked[#picked + 1], f = fresh[f], f + 1
    end
  end
end

local out = {LEASED + lease_ends}
for _, id in ipairs(picked) do
  redis.call('ZADD', queue, LEASED + lease_ends, id)
  out[#out + 1] = id
  out[#out + 1] = redis.call('HINCRBY', leases, id, 1)
  local made = redis.call('HMGET', leases, 'a:' .. id, 'r:' .. id)
  out[#out + 1] = made[1] or '0'
  out[#out + 1] = made[2] and '1' or '0'
end
if #picked > 0 then
  if breaker then
    not_before = lease_ends
    redis.call('HSET', gate, 's', 'probing', 'p', picked[1], 'u', not_before)
  end
  if level then
    level = level - #picked * ATTEMPT
    redis.call('HSET', gate, 't', level, 'r', now)
    if level < ATTEMPT then
      not_before = math.max(not_before, now + math.ceil((ATTEMPT - level) / per_minute))
    end
  end
  if turns ~= tonumber(found[6] or 0) then redis.call('HSET', gate, 'n', turns % 4) end
end

local next
for _, band in ipairs({0, RETRY, LEASED}) do
  local one = redis.call(
    'ZRANGEBYSCORE', queue, band, '(' .. band + WIDTH, 'WITHSCORES', 'LIMIT', 0, 1)
  if one[2] then next = math.min(next or math.huge, one[2] - band) end
end
if next then
  redis.call('ZADD', due, math.max(next, not_before), sub)
else
  redis.call('ZREM', due, sub)
end
return out
