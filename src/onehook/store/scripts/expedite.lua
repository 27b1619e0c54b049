#!lua flags=allow-oom
-- expedite: have a worker look at subscriptions now, also while the store is full.
-- KEYS[1] due zset
-- ARGV subscription ids
-- Returns {}. O(subscriptions). Called by store/deliveries.py, expedite().
for _, sub in ipairs(ARGV) do redis.call('ZADD', KEYS[1], 0, sub) end
return {}
