#!lua flags=allow-oom
-- withdraw: take deliveries of a cancelled replay off their queue; they are what they were before it.
-- KEYS[1] replay hash; per delivery: queue zset, leases hash, deliveries hash, event string, native
--   hash, dead zset
-- ARGV[1] deliveries  [2] replay id  [3] event_keep_ms  [4] native_keep_ms  [5] history_keep_ms
--   per delivery: subscription id, event id
-- Returns how many were withdrawn. One that is leased is left: it is being attempted, and ends by
-- itself. What an attempt of the replay found stays in its history. O(log n) each.
-- Called by store/replays.py, withdraw().
local job, replay = KEYS[1], ARGV[2]
local event_keep, native_keep, history_keep = ARGV[3], ARGV[4], ARGV[5]
local k, a, taken = 2, 6, 0
for _ = 1, tonumber(ARGV[1]) do
  local queue, leases, deliveries, event = KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3]
  local native, dead, sub, eid = KEYS[k + 4], KEYS[k + 5], ARGV[a], ARGV[a + 1]
  k = k + 6
  a = a + 2
  local mark = redis.call('HGET', leases, 'r:' .. eid) or '|||'
  local before, whose, state, ended = string.match(mark, '^([^|]*)|([^|]*)|([^|]*)|(.*)$')
  if whose == replay and redis.call('HEXISTS', leases, eid) == 0 then
    local _, n, _, status, err, ids = string.match(
      redis.call('HGET', deliveries, sub),
      '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$'
    )
    if state == 'dead' then redis.call('ZADD', dead, ended, eid) end
    if state == '' and n == before then
      redis.call('HDEL', deliveries, sub)
    else
      if state == '' then
        local t = redis.call('TIME')
        state, ended = 'cancelled', t[1] * 1000 + math.floor(t[2] / 1000)
      end
      redis.call('HSET', deliveries, sub, table.concat({state, n, ended, status, err, ids}, '|'))
    end
    if redis.call('HINCRBY', deliveries, 'n', -1) <= 0 then
      local keep = redis.call('HGET', deliveries, 'k') or event_keep
      redis.call('PEXPIRE', deliveries, math.max(tonumber(keep), tonumber(history_keep)))
      redis.call('PEXPIRE', event, keep)
      if redis.call('EXISTS', native) == 1 and redis.call('HINCRBY', native, 'n', -1) <= 0 then
        redis.call('PEXPIRE', native, math.max(tonumber(native_keep), keep == event_keep and 0 or keep))
      end
    end
    redis.call('HDEL', leases, 'r:' .. eid, 'a:' .. eid)
    redis.call('ZREM', queue, eid)
    taken = taken + 1
  end
end
redis.call('HINCRBY', job, 'queued', -taken)
return {taken}
