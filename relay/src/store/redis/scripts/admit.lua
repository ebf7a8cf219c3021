-- Checks a call against every limit and, when all fit, takes it.
--
-- KEYS  1 limits of the caller   with a reservation also: 2 use of the day  3 the reservation
--       4 what the lease spent (only with a lease)   with a nonce also: the last key, the nonce
-- ARGV  1 time in µs, '' for the server's own
--       2 '1' when the caller is a key not proven yet
--       3 ms to keep the limits   4 ms to keep them while the key is not proven
--       5 field of the request rate  6 cost in µs ('' not limited)  7 period in µs
--       8 field of the token rate    9 cost of one   ('' not limited) 10 period
--       11 ms to remember the nonce ('' without one)
--       with a reservation also:
--       12 estimate  13 cap of the day ('' none)  14 field of the money  15 ms the reservation lives
--       16 row  17 sums to add  18 ms to keep the use  19 rows at most  20 row for the rest
--       21 budget of the lease ('' without one)  22 ms to keep what the lease spent
-- Returns {verdict, known, time, TAT of requests, TAT of tokens, spent}; verdicts:
--       0 admitted  1 requests  2 tokens  3 cap of the day  4 budget of the lease  5 withdrawn
--       6 the nonce was used before
local nonce = ARGV[11] ~= '' and KEYS[#KEYS]
local reservation = ARGV[12] and KEYS[3]
local lease = reservation and ARGV[21] ~= '' and KEYS[4]

local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end
local function int(n) return string.format('%.0f', n) end

local state = redis.call('HMGET', KEYS[1], 'k', ARGV[5], ARGV[8], ARGV[14] or 'k')
local known = (state[1] or ARGV[2] ~= '1') and 1 or 0
local requests, tokens = tonumber(state[2] or 0), tonumber(state[3] or 0)

if reservation then
  local made = redis.call('GET', reservation)
  if made == 'x' then return {5, known, now, requests, tokens, 0} end
  if made then return {0, known, now, requests, tokens, 0} end
end

-- Used up even by a call that does not fit: it was sent, and can be sent again by others.
if nonce and not redis.call('SET', nonce, 1, 'NX', 'PX', ARGV[11]) then
  return {6, known, now, requests, tokens, 0}
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

if reservation then
  local estimate, today, spent = tonumber(ARGV[12]), math.floor(now / 86400000000), 0
  if state[4] then
    local day, micros = string.match(state[4], '^(%d+) (%d+)$')
    if tonumber(day) == today then spent = tonumber(micros) end
  end
  if ARGV[13] ~= '' then
    local cap = tonumber(ARGV[13])
    if spent >= cap or spent + estimate > cap then
      return {3, known, now, requests, tokens, spent}
    end
  end
  local leased = 0
  if lease then
    leased = tonumber(redis.call('GET', lease) or 0)
    local cap = tonumber(ARGV[21])
    if leased >= cap or leased + estimate > cap then
      return {4, known, now, requests, tokens, leased}
    end
  end
  set[#set + 1] = ARGV[14]
  set[#set + 1] = today .. ' ' .. int(spent + estimate)
  -- HSET comes first: with memory full the server refuses it, and with it the whole script.
  redis.call('HSET', KEYS[1], unpack(set))
  redis.call('SET', reservation, today .. ' ' .. ARGV[12], 'PX', ARGV[15])
  if lease then redis.call('SET', lease, int(leased + estimate), 'PX', ARGV[22]) end
  add_row(KEYS[2], ARGV[16], ARGV[17], ARGV[18], ARGV[19], ARGV[20])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
elseif #set > 0 then
  redis.call('HSET', KEYS[1], unpack(set))
  redis.call('PEXPIRE', KEYS[1], known == 1 and ARGV[3] or ARGV[4])
end
return {0, known, now, taken, tokens, 0}
