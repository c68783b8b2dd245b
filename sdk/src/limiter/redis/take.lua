-- A permit of a rate, as limiter/rate.rs says exactly. Times are microseconds of this server's clock.
-- KEYS[1]: a hash with `next`, when the next permit would be due without any burst, and `told`, when
-- the last caller that was refused is to ask again.
-- ARGV: the interval, the burst, how long the caller waits, how long the line of the refused may be.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local within, line = tonumber(ARGV[3]), tonumber(ARGV[4])
local known = redis.call('HMGET', KEYS[1], 'next', 'told')
local due = math.max(tonumber(known[1] or now) or now, now)
local at = math.max(due - (burst - 1) * interval, now)
-- A number of 16 digits is written in full, which tostring() would not do.
local text = function(number) return string.format('%.0f', number) end
if at - now <= within then
  due = due + interval
  redis.call('HSET', KEYS[1], 'next', text(due))
  redis.call('PEXPIRE', KEYS[1], text(math.ceil((due - now) / 1000) + 1000))
  return {1, at - now}
end
local told = (tonumber(known[2] or 0) or 0) + interval
if told < at or told - at > line then told = at end
redis.call('HSET', KEYS[1], 'told', text(told))
return {0, told - now}
