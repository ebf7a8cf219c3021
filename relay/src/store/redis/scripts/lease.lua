-- Reads or deletes a lease whose handle proves itself.
-- KEYS 1 the lease: 32 bytes of proof, then its value. ARGV 1 proof  2 get, take, peek or clear.
-- Returns {value, ms left}, or false when there is none or the proof is wrong.
local lease = redis.call('GET', KEYS[1])
if not lease or string.sub(lease, 1, 32) ~= ARGV[1] then return false end
local left = redis.call('PTTL', KEYS[1])
if ARGV[2] == 'get' then return {string.sub(lease, 33), left} end
if ARGV[2] == 'peek' then return {'', left} end
redis.call('DEL', KEYS[1])
if ARGV[2] == 'take' then return {string.sub(lease, 33), 0} end
return {'', 0}
