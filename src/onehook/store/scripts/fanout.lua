#!lua flags=allow-oom
-- fanout: put deliveries that a commit made into some of the queues that it left for later.
-- KEYS[1] fan-out stream  [2] its progress hash  [3] due zset
--   per subscription: queue zset, log stream, gate hash
-- ARGV[1] subscriptions  [2] entries of the stream  [3] how many of the subscriptions that these
--   entries name came before  [4] whether none come after 0|1
--   per subscription: id, paused 0|1; per entry: position, event id, type, integration id
-- Returns {entries done, something is due 0|1}. An entry that is gone, or has come as far already,
-- was another gateway's. Its deliveries are due since their commit. How far it has come is written
-- last: what a failing script wrote is written again, which changes nothing that is queued already.
-- O(subscriptions * entries * log n): a log and a queue cost half as much per delivery when many
-- entries come together. Called by store/fanout.py, spread().
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local fan, progress, due = KEYS[1], KEYS[2], KEYS[3]
local subs, count, before = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local PAUSED_LOOK = 10000 -- store/bands.py
local a = 5 + 2 * subs
local members, entries, positions = {}, {}, {}
local function is_next(position)
  local come = redis.call('HGET', progress, position)
  if before ~= '0' then return come == before end
  return not come and #redis.call('XRANGE', fan, position, position) > 0
end
for _ = 1, count do
  local position = ARGV[a]
  if is_next(position) then
    members[#members + 1] = string.match(position, '^%d+')
    members[#members + 1] = ARGV[a + 1]
    entries[#entries + 1] = a
    positions[#positions + 1] = position
  end
  a = a + 4
end
if #entries == 0 then return {0, 0} end
local moments, any = {}, 0
for s = 0, subs - 1 do
  local sub, paused = ARGV[5 + 2 * s], ARGV[6 + 2 * s] == '1'
  local queue, log, gate = KEYS[4 + 3 * s], KEYS[5 + 3 * s], KEYS[6 + 3 * s]
  for _, entry in ipairs(entries) do
    redis.call('XADD', log, '*', 'e', ARGV[entry + 1], 't', ARGV[entry + 2], 'i', ARGV[entry + 3])
  end
  redis.call('ZADD', queue, 'NX', unpack(members))
  local moment = now + PAUSED_LOOK
  if not paused then
    local held = redis.call('HMGET', gate, 'u', 'h')
    moment = math.max(now, tonumber(held[1] or 0), tonumber(held[2] or 0))
    if moment == now then any = 1 end
  end
  moments[#moments + 1] = moment
  moments[#moments + 1] = sub
end
redis.call('ZADD', due, 'LT', unpack(moments))
if ARGV[4] == '1' then
  redis.call('XDEL', fan, unpack(positions))
  redis.call('HDEL', progress, unpack(positions))
else
  local come = string.format('%.0f', before + subs)
  local fields = {}
  for _, position in ipairs(positions) do
    fields[#fields + 1] = position
    fields[#fields + 1] = come
  end
  redis.call('HSET', progress, unpack(fields))
end
return {#entries, any}
