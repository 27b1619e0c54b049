#!lua flags=allow-oom,no-writes
-- sightings: which things the events in a part of the index are about, without reading the events.
-- KEYS[1] index stream  ARGV[1] newer | older  [2] a position, '' for either end
--   [3] where to stop: - | + | a position  [4] how many
-- Returns {entries read, position of the last, fingerprints of the things, all in one string}.
-- O(m). Called by store/references.py, catch_up() and recall().
local position, stop, count, rows = ARGV[2], ARGV[3], ARGV[4], nil
if ARGV[1] == 'newer' then
  local from = position == '' and '-' or '(' .. position
  rows = redis.call('XRANGE', KEYS[1], from, stop, 'COUNT', count)
else
  local to = position == '' and '+' or '(' .. position
  rows = redis.call('XREVRANGE', KEYS[1], to, stop, 'COUNT', count)
end
local things = {}
for _, row in ipairs(rows) do
  position = row[1]
  for f = 1, #row[2], 2 do
    if row[2][f] == 'u' then things[#things + 1] = row[2][f + 1] end
  end
end
return {#rows, position, table.concat(things)}
