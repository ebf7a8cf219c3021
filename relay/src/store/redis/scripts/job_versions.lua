-- KEYS the records of jobs. Returns the version of each, 0 for one that is gone.
local versions = {}
for at, record in ipairs(KEYS) do
  versions[at] = tonumber(redis.call('HGET', record, 'v')) or 0
end
return versions
