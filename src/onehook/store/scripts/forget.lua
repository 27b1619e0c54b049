#!lua flags=allow-oom
-- forget: remove what is left of a deleted subscription, unless something came into its queue.
-- KEYS[1] queue zset  [2] due zset  then its other keys
-- ARGV[1] subscription id
-- Returns {1} if it is forgotten, {0} if there is more to cancel first: the fan-out may have put
-- it there a moment ago, and it stays due. O(1). Called by store/deliveries.py, forget().
if redis.call('ZCARD', KEYS[1]) > 0 then return {0} end
redis.call('ZREM', KEYS[2], ARGV[1])
for k = 3, #KEYS do
  redis.call('DEL', KEYS[k])
end
return {1}
