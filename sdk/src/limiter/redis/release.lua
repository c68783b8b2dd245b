-- Gives a place back, if the token has it.
-- KEYS[1]: as for lease.lua. ARGV: the token, for how many milliseconds it was held.
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
local held = tonumber(ARGV[2])
local before = -(tonumber(redis.call('ZSCORE', KEYS[1], 'held') or -held) or -held)
-- First: a set that is empty for a moment is gone, and what is put there then never expires.
redis.call('ZADD', KEYS[1], -math.ceil((before * 4 + held) / 5) - 1, 'held')
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
