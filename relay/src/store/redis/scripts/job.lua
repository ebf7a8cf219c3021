-- The record of a job and the rules by which it changes; jobs/ledger tells them.
--
-- KEYS  1 the record  2 its ticket  with `add` also: 3 the caller's jobs that have not ended
-- ARGV  1 time in µs, '' for the server's own  2 what is to be done, and for each:
--   add       3 proof  4 kind  5 most jobs of the caller  6 ms when the lease ends
--             7 ms when the record is forgotten  8 '1' with audio  9 terms  10 payload  11 ticket
--             Returns 0 added  1 too many  2 the id is taken
--   withdraw
--   read      3 proof  4 ms to keep what ends now.  Returns false, or the fields below and '1' when
--             it has ended just now
--   begin     3 ms of the hold  4 interruptions at which it ends  5 ms to keep what ends now
--             Returns {'gone'}, {'later', ms}, {'ended', code, kind, audio} or {'run', run, attempt,
--             ms when the lease ends, terms, payload, ticket, checkpoint}
--   note      3 run  4 ms of the hold  5 phase or ''  6 checkpoint or ''.  Returns 1 when it is the run's
--   wait      3 run  4 ms until the next attempt.  The same
--   finish    3 run  4 state  5 code or ''  6 outcome or ''  7 ms to keep it.  The same
--   cancel    3 proof  4 ms to keep it.  Returns {'none'}, {'forgotten'} or {'stopped', ticket, audio}
-- Fields: p proof  i kind  q key of the caller's jobs  s state  ph phase  v version  at attempts
--         r run  x interruptions  c created  u updated  l lease ends  e expires  h held until
--         n not before  a audio  t terms  d payload  m checkpoint  k code  o outcome
local now = tonumber(ARGV[1])
if now then
  now = math.floor(now / 1000)
else
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local record, ticket, op = KEYS[1], KEYS[2], ARGV[2]
local function int(n) return string.format('%.0f', n) end

local function changed()
  redis.call('HINCRBY', record, 'v', 1)
  redis.call('HSET', record, 'u', int(now))
end

local function finish(state, code, outcome, keep)
  local q = redis.call('HGET', record, 'q')
  if q then redis.call('ZREM', q, record) end
  redis.call('HSET', record, 's', state, 'ph', 'done', 'e', int(now + keep))
  if code ~= '' then redis.call('HSET', record, 'k', code) end
  if outcome ~= '' then redis.call('HSET', record, 'o', outcome) end
  redis.call('HDEL', record, 'd', 'm')
  redis.call('DEL', ticket)
  redis.call('PEXPIRE', record, int(keep))
  changed()
end

local function is_run(run)
  local f = redis.call('HMGET', record, 's', 'r')
  return f[1] == 'active' and f[2] == run
end

if op == 'add' then
  if redis.call('EXISTS', record) == 1 then return 2 end
  local q, ends, forgotten = KEYS[3], tonumber(ARGV[6]), tonumber(ARGV[7])
  redis.call('ZREMRANGEBYSCORE', q, '-inf', int(now))
  if redis.call('ZCARD', q) >= tonumber(ARGV[5]) then return 1 end
  redis.call('HSET', record, 'p', ARGV[3], 'i', ARGV[4], 'q', q, 's', 'queued', 'ph', 'queued',
    'v', 1, 'at', 0, 'r', 0, 'x', 0, 'c', int(now), 'u', int(now), 'l', int(ends), 'e', int(ends),
    'h', 0, 'n', 0, 'a', ARGV[8], 't', ARGV[9], 'd', ARGV[10])
  local keep = math.max(forgotten - now, 1)
  redis.call('PEXPIRE', record, int(keep))
  if ends > now then redis.call('SET', ticket, ARGV[11], 'PX', int(ends - now)) end
  redis.call('ZADD', q, int(forgotten), record)
  if redis.call('PTTL', q) < keep then redis.call('PEXPIRE', q, int(keep)) end
  return 0
end

if op == 'withdraw' then
  local q = redis.call('HGET', record, 'q')
  if q then redis.call('ZREM', q, record) end
  redis.call('DEL', record, ticket)
  return 0
end

if op == 'read' then
  local f = redis.call('HMGET', record, 'p', 's', 'l')
  if not f[1] or f[1] ~= ARGV[3] then return false end
  local ended = ''
  if f[2] == 'queued' and now >= tonumber(f[3]) then
    finish('failed', 'lease_expired', '', tonumber(ARGV[4]))
    ended = '1'
  end
  local r = redis.call('HMGET', record, 'v', 'i', 's', 'ph', 'at', 'c', 'u', 'e', 'a', 't', 'k', 'o')
  for at = 1, 12 do r[at] = r[at] or '' end
  r[13] = ended
  return r
end

if op == 'begin' then
  local f = redis.call('HMGET', record, 's', 'l', 'n', 'h', 'x', 'i', 'a', 't', 'd', 'm')
  local due
  if f[1] == 'queued' then due = tonumber(f[3])
  elseif f[1] == 'active' then due = tonumber(f[4])
  else return {'gone'} end
  local over = now >= tonumber(f[2])
  local code
  if f[1] == 'queued' and over then
    code = 'lease_expired'
  elseif due > now then
    return {'later', int(due - now)}
  elseif f[1] == 'active' then
    if redis.call('HINCRBY', record, 'x', 1) >= tonumber(ARGV[4]) then code = 'job_interrupted'
    elseif over then code = 'lease_expired' end
  end
  if code then
    finish('failed', code, '', tonumber(ARGV[5]))
    return {'ended', code, f[6], f[7]}
  end
  local run = redis.call('HINCRBY', record, 'r', 1)
  local attempt = redis.call('HINCRBY', record, 'at', 1)
  redis.call('HSET', record, 's', 'active', 'ph', 'queued', 'h', int(now + tonumber(ARGV[3])))
  changed()
  return {'run', int(run), int(attempt), f[2], f[8], f[9], redis.call('GET', ticket) or '', f[10] or ''}
end

if op == 'note' then
  if not is_run(ARGV[3]) then return 0 end
  redis.call('HSET', record, 'h', int(now + tonumber(ARGV[4])))
  if ARGV[6] ~= '' then redis.call('HSET', record, 'm', ARGV[6]) end
  if ARGV[5] ~= '' and redis.call('HGET', record, 'ph') ~= ARGV[5] then
    redis.call('HSET', record, 'ph', ARGV[5])
    changed()
  end
  return 1
end

if op == 'wait' then
  if not is_run(ARGV[3]) then return 0 end
  redis.call('HSET', record, 's', 'queued', 'ph', 'waiting_to_retry', 'n', int(now + tonumber(ARGV[4])))
  changed()
  return 1
end

if op == 'finish' then
  if not is_run(ARGV[3]) then return 0 end
  finish(ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7]))
  return 1
end

if op == 'cancel' then
  local f = redis.call('HMGET', record, 'p', 's', 'a')
  if not f[1] or f[1] ~= ARGV[3] then return {'none'} end
  if f[2] ~= 'queued' and f[2] ~= 'active' then
    redis.call('DEL', record)
    return {'forgotten'}
  end
  local kept = redis.call('GET', ticket) or ''
  finish('cancelled', 'job_cancelled', '', tonumber(ARGV[4]))
  return {'stopped', kept, f[3]}
end
