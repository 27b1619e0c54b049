#!lua flags=allow-oom
-- discard: drop a webhook for good, if it is still in quarantine.
-- KEYS[1] quarantine zset  KEYS[2] native hash  ARGV[1] webhook id
-- Returns {'discarded'}, or {'gone'} if it has left meanwhile: what it became then stays. Its dedupe
-- markers stay, too: the vendor's own redelivery is not taken as news. O(log n).
-- Called by store/quarantine.py, discard().
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return {'gone'} end
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
return {'discarded'}
