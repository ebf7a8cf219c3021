-- Shared by the scripts that count use: adds sums to one row of a day.
local function add_row(key, row, more, ttl, most, rest)
  local sums = redis.call('HGET', key, row)
  if not sums and redis.call('HLEN', key) >= tonumber(most) then
    row = rest
    sums = redis.call('HGET', key, row)
  end
  local out, nothing, each = {}, true, string.gmatch(sums or '', '%-?%d+')
  for n in string.gmatch(more, '%-?%d+') do
    local sum = tonumber(n) + tonumber(each() or 0)
    if sum ~= 0 then nothing = false end
    out[#out + 1] = string.format('%.0f', sum)
  end
  if not nothing then
    redis.call('HSET', key, row, table.concat(out, ' '))
    -- A day's rows are made on that day: those that follow find its time set.
    if not sums then redis.call('PEXPIRE', key, ttl) end
  elseif sums then
    redis.call('HDEL', key, row)
  end
end
