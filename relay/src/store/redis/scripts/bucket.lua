-- A rate of its own. KEYS 1 its TAT. ARGV 1 time in µs, '' for the server's own  2 cost  3 period
-- 4 '1' to take, '0' to look. Returns {1 fits or 0, time, TAT}.
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end
local tat = tonumber(redis.call('GET', KEYS[1]) or 0)
local moved = math.max(tat, now) + tonumber(ARGV[2])
if moved - tonumber(ARGV[3]) > now then return {0, now, tat} end
if ARGV[4] == '0' then return {1, now, tat} end
local ms = math.ceil((moved - now) / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', moved), 'PX', string.format('%.0f', ms + 1000))
return {1, now, moved}
