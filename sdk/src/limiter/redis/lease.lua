-- A place among so many at once. Times are milliseconds of this server's clock.
-- KEYS[1]: a sorted set. A token's score is when its lease ends. Two members that are no tokens have
-- scores below zero, which no lease ends at: `told`, when the last caller that was refused is to ask
-- again, and `held`, for how long places are held on average.
-- ARGV: the token, how many at once, the lease, how long the line of the refused may be.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local token, at_once = ARGV[1], tonumber(ARGV[2])
local lease, line = tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now)
if redis.call('ZSCORE', KEYS[1], token) or redis.call('ZCOUNT', KEYS[1], 0, '+inf') < at_once then
  redis.call('ZADD', KEYS[1], now + lease, token)
  local left = redis.call('PTTL', KEYS[1])
  redis.call('PEXPIRE', KEYS[1], math.max(left, lease + 60000))
  return {1, 0}
end
local held = -(tonumber(redis.call('ZSCORE', KEYS[1], 'held') or -100) or -100)
local each = math.min(math.max(math.ceil(held / at_once), 1), line)
local first = now + each
local told = -(tonumber(redis.call('ZSCORE', KEYS[1], 'told') or 0) or 0) + each
if told < first or told > now + line then told = first end
redis.call('ZADD', KEYS[1], -told, 'told')
return {0, told - now}
