-- Checks a call against every limit and, when all fit, takes it.
--
-- KEYS  1 limits of the caller   with a reservation also: 2 use of the day  3 the reservation
--       4 what the lease spent (only with a lease)
-- ARGV  1 time in µs, '' for the server's own
--       2 '1' when the caller is a key not proven yet
--       3 ms to keep the limits   4 ms to keep them while the key is not proven
--       5 field of the request rate  6 cost in µs ('' not limited)  7 period in µs
--       8 field of the token rate    9 cost of one   ('' not limited) 10 period
--       with a reservation also:
--       11 estimate  12 cap of the day ('' none)  13 field of the money  14 ms the reservation lives
--       15 row  16 sums to add  17 ms to keep the use  18 rows at most  19 row for the rest
--       20 budget of the lease ('' none)  21 ms to keep what the lease spent
-- Returns {verdict, known, time, TAT of requests, TAT of tokens, spent}; verdicts:
--       0 admitted  1 requests  2 tokens  3 cap of the day  4 budget of the lease  5 withdrawn
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end
local function int(n) return string.format('%.0f', n) end

local state = redis.call('HMGET', KEYS[1], 'k', ARGV[5], ARGV[8], ARGV[13] or 'k')
local known = (state[1] or ARGV[2] ~= '1') and 1 or 0
local requests, tokens = tonumber(state[2] or 0), tonumber(state[3] or 0)

if KEYS[3] then
  local made = redis.call('GET', KEYS[3])
  if made == 'x' then return {5, known, now, requests, tokens, 0} end
  if made then return {0, known, now, requests, tokens, 0} end
end

local taken = requests
if ARGV[6] ~= '' then
  taken = math.max(requests, now) + tonumber(ARGV[6])
  if taken - tonumber(ARGV[7]) > now then return {1, known, now, requests, tokens, 0} end
end
if ARGV[9] ~= '' and math.max(tokens, now) + tonumber(ARGV[9]) - tonumber(ARGV[10]) > now then
  return {2, known, now, requests, tokens, 0}
end

local set = {}
if ARGV[6] ~= '' then set = {ARGV[5], int(taken)} end

if KEYS[3] then
  local estimate, today, spent = tonumber(ARGV[11]), math.floor(now / 86400000000), 0
  if state[4] then
    local day, micros = string.match(state[4], '^(%d+) (%d+)$')
    if tonumber(day) == today then spent = tonumber(micros) end
  end
  if ARGV[12] ~= '' then
    local cap = tonumber(ARGV[12])
    if spent >= cap or spent + estimate > cap then
      return {3, known, now, requests, tokens, spent}
    end
  end
  local leased = 0
  if KEYS[4] then
    leased = tonumber(redis.call('GET', KEYS[4]) or 0)
    local cap = tonumber(ARGV[20])
    if leased >= cap or leased + estimate > cap then
      return {4, known, now, requests, tokens, leased}
    end
  end
  set[#set + 1] = ARGV[13]
  set[#set + 1] = today .. ' ' .. int(spent + estimate)
  -- HSET comes first: with memory full the server refuses it, and with it the whole script.
  redis.call('HSET', KEYS[1], unpack(set))
  redis.call('SET', KEYS[3], today .. ' ' .. ARGV[11], 'PX', ARGV[14])
  if KEYS[4] then redis.call('SET', KEYS[4], int(leased + estimate), 'PX', ARGV[21]) end
  add_row(KEYS[2], ARGV[15], ARGV[16], ARGV[17], ARGV[18], ARGV[19])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
elseif #set > 0 then
  redis.call('HSET', KEYS[1], unpack(set))
  redis.call('PEXPIRE', KEYS[1], known == 1 and ARGV[3] or ARGV[4])
end
return {0, known, now, taken, tokens, 0}
