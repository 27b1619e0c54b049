#!lua flags=allow-oom
-- lease: take due deliveries of one subscription, oldest first, for lease_ms.
-- KEYS[1] queue zset  KEYS[2] leases hash  KEYS[3] due zset
-- ARGV[1] subscription id  [2] how many at most  [3] lease_ms
-- Returns {token, event id, leases so far, attempts so far, replayed 0|1, …}: the token is the score
-- that the lease set, and a record must show it. The attempts of a replay count from its beginning. A crash after this leaves deliveries that come due again by themselves.
-- O(m log n). Called by store/deliveries.py, lease().
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local queue, leases, due = KEYS[1], KEYS[2], KEYS[3]
local token = now + tonumber(ARGV[3])
local out = {token}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, ARGV[2])) do
  redis.call('ZADD', queue, token, id)
  out[#out + 1] = id
  out[#out + 1] = redis.call('HINCRBY', leases, id, 1)
  local made = redis.call('HMGET', leases, 'a:' .. id, 'r:' .. id)
  out[#out + 1] = made[1] or '0'
  out[#out + 1] = made[2] and '1' or '0'
end
local next = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
if #next == 0 then
  redis.call('ZREM', due, ARGV[1])
else
  redis.call('ZADD', due, next[2], ARGV[1])
end
return out
