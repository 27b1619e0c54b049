#!lua flags=allow-oom
-- fanout: put deliveries that a commit made into the queues that it left for later.
-- KEYS[1] fan-out stream  [2] due zset; per subscription: queue zset, log stream, gate hash
-- ARGV[1] subscriptions  [2] entries of the stream, which all name just these subscriptions
--   per subscription: id, paused 0|1; per entry: position, event id, type, integration id
-- Returns {entries done, something is due 0|1}. An entry that is gone was done by another gateway.
-- Its deliveries are due since their commit. The entries are removed last: what a failing script
-- wrote is written again, which changes nothing that is queued already.
-- O(subscriptions * entries * log n). Called by store/fanout.py, spread().
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local fan, due, subs, count = KEYS[1], KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2])
local PAUSED_LOOK = 10000 -- store/bands.py
local a = 3 + 2 * subs
local members, entries, positions = {}, {}, {}
for _ = 1, count do
  local position = ARGV[a]
  if #redis.call('XRANGE', fan, position, position) > 0 then
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
  local sub, paused = ARGV[3 + 2 * s], ARGV[4 + 2 * s] == '1'
  local queue, log, gate = KEYS[3 + 3 * s], KEYS[4 + 3 * s], KEYS[5 + 3 * s]
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
redis.call('XDEL', fan, unpack(positions))
return {#entries, any}
