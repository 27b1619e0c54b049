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
local members, positions, made = {}, {}, {}
for e = 0, count - 1 do positions[#positions + 1] = ARGV[a + 4 * e] end
local come = redis.call('HMGET', progress, unpack(positions))
positions = {}
for e = 1, count do
  local position = ARGV[a]
  local is_next = come[e] == before
  if before == '0' then
    is_next = not come[e] and #redis.call('XRANGE', fan, position, position) > 0
  end
  if is_next then
    members[#members + 1] = string.match(position, '^%d+')
    members[#members + 1] = ARGV[a + 1]
    made[#made + 1] = ARGV[a + 1] .. ' ' .. ARGV[a + 2] .. ' ' .. ARGV[a + 3]
    positions[#positions + 1] = position
  end
  a = a + 4
end
if #positions == 0 then return {0, 0} end
local row = table.concat(made, '\n') -- store/logs.py
local moments, any = {}, 0
for s = 0, subs - 1 do
  local sub, paused = ARGV[5 + 2 * s], ARGV[6 + 2 * s] == '1'
  local queue, log, gate = KEYS[4 + 3 * s], KEYS[5 + 3 * s], KEYS[6 + 3 * s]
  redis.call('XADD', log, '*', 'm', row)
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
  local reached = string.format('%.0f', before + subs)
  local fields = {}
  for _, position in ipairs(positions) do
    fields[#fields + 1] = position
    fields[#fields + 1] = reached
  end
  redis.call('HSET', progress, unpack(fields))
end
return {#positions, any}
