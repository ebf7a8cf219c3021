-- Ends a call: the reservation becomes what was really used.
--
-- KEYS  1 limits of the caller  2 use of the day   with a reservation also: 3 the reservation
--       4 what the lease spent (only with a lease)
-- ARGV  1 time in µs, '' for the server's own
--       2 '1' when the call proved the key  3 '1' to forget the caller unless it is proven
--       4 ms to keep the limits
--       5 field of the token rate  6 cost of the tokens in µs ('' none)
--       7 row  8 sums to add  9 ms to keep the use  10 rows at most  11 row for the rest
--       with a reservation also: 12 field of the money  13 what it really cost
--       14 ms to remember a reservation that was not there
-- Returns 1, or 0 when the reservation was gone and nothing was changed.
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end
local function int(n) return string.format('%.0f', n) end

local state = {}
if KEYS[3] or ARGV[6] ~= '' then
  state = redis.call('HMGET', KEYS[1], ARGV[5], ARGV[12] or 'k')
end
local set, change = {}, 0
if KEYS[3] then
  local made = redis.call('GET', KEYS[3])
  if not made then
    -- Its admission may still be on the way, in a connection that was given up.
    redis.call('SET', KEYS[3], 'x', 'PX', ARGV[14])
    return 0
  end
  local day, estimate = string.match(made, '^(%d+) (%d+)$')
  if not day then return 0 end
  change = tonumber(ARGV[13]) - tonumber(estimate)
  if state[2] then
    local of, micros = string.match(state[2], '^(%d+) (%d+)$')
    -- A day that is over is not guarded any more.
    if of == day then
      set = {ARGV[12], day .. ' ' .. int(math.max(0, tonumber(micros) + change))}
    end
  end
end

local lasts = false
if ARGV[6] ~= '' then
  set[#set + 1] = ARGV[5]
  set[#set + 1] = int(math.max(tonumber(state[1] or 0), now) + tonumber(ARGV[6]))
  lasts = true
end
if ARGV[2] == '1' then
  set[#set + 1] = 'k'
  set[#set + 1] = '1'
  lasts = true
end
-- The first write is one that a server with full memory refuses, and with it the whole script.
if #set > 0 then redis.call('HSET', KEYS[1], unpack(set)) end
if lasts then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
if KEYS[4] then
  local leased = redis.call('GET', KEYS[4])
  if leased then redis.call('SET', KEYS[4], int(math.max(0, leased + change)), 'KEEPTTL') end
end
add_row(KEYS[2], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11])
if KEYS[3] then redis.call('DEL', KEYS[3]) end

if ARGV[3] == '1' and redis.call('HEXISTS', KEYS[1], 'k') == 0 then
  -- Money of other calls in flight keeps the entry.
  local busy = false
  local fields = redis.call('HGETALL', KEYS[1])
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 2) == 'c:' and not string.find(fields[i + 1], ' 0$') then
      busy = true
    end
  end
  if not busy then redis.call('DEL', KEYS[1]) end
end
return 1
