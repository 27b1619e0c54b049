#!lua
-- restate: say anew why a webhook is in quarantine, if it still is.
-- KEYS[1] quarantine zset  KEYS[2] native hash
-- ARGV[1] webhook id  ARGV[2] what the quarantine tells of it
-- Returns {'restated'}, or {'gone'} if it has left meanwhile: nothing is written then. O(1).
-- Called by store/quarantine.py, restate().
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return {'gone'} end
redis.call('HSET', KEYS[2], 'q', ARGV[2])
return {'restated'}
