#!lua flags=allow-oom
-- trim: free what memory has no room for, of events that are delivered: nothing that is on its
-- way, dead, or in quarantine.
-- KEYS[1] index stream; per event: event string, deliveries hash, its webhook's native hash
-- ARGV[1] native: the native webhook alone | event: all of it  [2] native_keep_ms  [3] events
--   per event: its position in the index
-- Returns how many natives and how many events were freed. O(events).
-- A native that is kept for longer than natives are is one of a dead letter.
-- Called by store/relief.py.
local index, what, native_keep = KEYS[1], ARGV[1], tonumber(ARGV[2])
local natives, events, k = 0, 0, 2

local function is_done(native)
  local found = redis.call('HMGET', native, 'n', 'q')
  return found[1] and tonumber(found[1]) <= 0 and not found[2]
    and redis.call('PTTL', native) <= native_keep
end

for i = 1, tonumber(ARGV[3]) do
  local event, deliveries, native = KEYS[k], KEYS[k + 1], KEYS[k + 2]
  k = k + 3
  local found = redis.call('HMGET', deliveries, 'n', 'k')
  if tonumber(found[1] or 0) <= 0 and not found[2] then
    if is_done(native) then
      natives = natives + redis.call('UNLINK', native)
    end
    if what == 'event' then
      redis.call('UNLINK', event, deliveries)
      events = events + redis.call('XDEL', index, ARGV[3 + i])
    end
  end
end
return {natives, events}
