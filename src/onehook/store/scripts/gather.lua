#!lua flags=allow-oom
-- gather: put together what commits left for later of several events to the same subscriptions.
-- KEYS[1] fan-out stream  [2] its blocks stream  [3] progress hash
-- ARGV[1] how many of the stream's oldest entries to look at  [2] how many blocks to answer
-- Returns {how many entries there were, {{position, {'s', subscriptions, 'm', members, 'r', rows},
-- how many of the subscriptions have it}, …}}, the oldest blocks, whoever made them: members are the
-- milliseconds of the commit and the event id of each delivery, with blanks between them; rows are
-- store/logs.py's.
-- An entry becomes part of one block, however many gateways gather: what is made of it is written,
-- and it is removed, at once. O(entries * subscriptions). Called by store/fanout.py, gather().
local fan, blocks, progress = KEYS[1], KEYS[2], KEYS[3]
local entries = redis.call('XRANGE', fan, '-', '+', 'COUNT', ARGV[1])
local groups, order, positions = {}, {}, {}
for e, entry in ipairs(entries) do
  local position, fields = entry[1], entry[2]
  -- As commit.lua writes them: e event id, t type, i integration id, s subscriptions.
  local id, type, integration, subs = fields[2], fields[4], fields[6], fields[8]
  local group = groups[subs]
  if not group then
    group = {members = {}, rows = {}}
    groups[subs], order[#order + 1] = group, subs
  end
  group.members[#group.members + 1] = string.match(position, '^%d+') .. ' ' .. id
  group.rows[#group.rows + 1] = id .. ' ' .. type .. ' ' .. integration
  positions[e] = position
end
for _, subs in ipairs(order) do
  local members, rows = table.concat(groups[subs].members, ' '), table.concat(groups[subs].rows, '\n')
  local block = redis.call('XADD', blocks, '*', 's', subs, 'm', members, 'r', rows)
  redis.call('HSET', progress, block, 0)
end
if #positions > 0 then redis.call('XDEL', fan, unpack(positions)) end
local oldest = redis.call('XRANGE', blocks, '-', '+', 'COUNT', ARGV[2])
for _, block in ipairs(oldest) do block[3] = redis.call('HGET', progress, block[1]) end
return {#positions, oldest}
