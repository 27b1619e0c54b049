#!lua flags=allow-oom
-- fanout: put the deliveries of a block into the queues of some of its subscriptions.
-- KEYS[1] blocks stream  [2] their progress hash  [3] due zset
--   per subscription: queue zset, log stream, gate hash
-- ARGV[1] the block's position  [2] how many of its subscriptions these come after  [3] whether none
--   come after these 0|1  [4] subscriptions  [5] its rows; per subscription: id, paused 0|1; then its
--   members: milliseconds of the commit and event id, of each delivery
-- Returns {done 0|1, something is due 0|1}. A block that is gone, or has come as far already, was
-- another gateway's. Its deliveries are due since their commit. How far it has come is written
-- last: what a failing script wrote is written again, which changes nothing that is queued already.
-- O(subscriptions * members * log n): as nothing is done for each member, a queue of many costs
-- little more than to insert them. Called by store/fanout.py, spread().
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local blocks, progress, due = KEYS[1], KEYS[2], KEYS[3]
local position, before, subs, row = ARGV[1], ARGV[2], tonumber(ARGV[4]), ARGV[5]
local PAUSED_LOOK = 10000 -- store/bands.py
if redis.call('HGET', progress, position) ~= before then return {0, 0} end
local first_member = 6 + 2 * subs
local moments, any = {}, 0
for s = 0, subs - 1 do
  local sub, paused = ARGV[6 + 2 * s], ARGV[7 + 2 * s] == '1'
  local queue, log, gate = KEYS[4 + 3 * s], KEYS[5 + 3 * s], KEYS[6 + 3 * s]
  redis.call('XADD', log, '*', 'm', row)
  redis.call('ZADD', queue, 'NX', unpack(ARGV, first_member))
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
if ARGV[3] == '1' then
  redis.call('XDEL', blocks, position)
  redis.call('HDEL', progress, position)
else
  redis.call('HINCRBY', progress, position, subs)
end
return {1, any}
