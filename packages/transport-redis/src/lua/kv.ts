/** Entries: values, entry (revision, revision of creation, end), keys (their order), expiring, and gone (the last deletions). */

export const ENTRIES = `
local function tell(kind, revision, created, expires, key, value)
  call('SPUBLISH', P .. 'entries', kind .. ' ' .. num(revision) .. ' ' .. num(created) .. ' ' ..
    num(expires > 0 and math.max(1, expires - us) or 0) .. ' ' .. #key .. '\\n' .. key .. value)
end

local function remove(key, kind)
  local revision = count('revision')
  call('HDEL', P .. 'entry', key)
  call('HDEL', P .. 'values', key)
  call('ZREM', P .. 'keys', key)
  call('ZREM', P .. 'expiring', key)
  call('ZADD', P .. 'gone', revision, kind .. key)
  call('ZREMRANGEBYRANK', P .. 'gone', 0, -10001)
  tell(kind, revision, 0, 0, key, '')
end

-- revision, revision of creation, end (0: none); nothing where there is no entry.
local function find(key)
  local text = call('HGET', P .. 'entry', key)
  if not text then return nil end
  local revision, created, expires = string.match(text, '^(%d+) (%d+) (%d+)$')
  expires = tonumber(expires)
  if expires > 0 and expires <= us then
    remove(key, 'x')
    return nil
  end
  return tonumber(revision), tonumber(created), expires
end

local function write(key, revision, created, expires)
  call('HSET', P .. 'entry', key, num(revision) .. ' ' .. num(created) .. ' ' .. num(expires))
  if expires > 0 then
    call('ZADD', P .. 'expiring', expires, key)
    plan('\\nentries', expires)
  else
    call('ZREM', P .. 'expiring', key)
  end
end

local function store(key, value, revision, created, expires)
  write(key, revision, created, expires)
  call('HSET', P .. 'values', key, value)
  call('ZADD', P .. 'keys', 0, key)
  call('ZREM', P .. 'gone', 'd' .. key, 'x' .. key)
  tell('p', revision, created, expires, key, value)
end

local function show(key, revision, created, expires)
  return { key, call('HGET', P .. 'values', key), num(revision), num(created), num(expires > 0 and expires - us or 0) }
end

local function expireEntries()
  local over = call('ZRANGE', P .. 'expiring', '-inf', us, 'BYSCORE', 'LIMIT', 0, STEP)
  for _, key in ipairs(over) do remove(key, 'x') end
  local coming = first(P .. 'expiring')
  if coming then plan('\\nentries', coming) end
  return coming
end
`;

export const GET = `
local revision, created, expires = find(ARGV[1])
if not revision then return false end
return show(ARGV[1], revision, created, expires)
`;

/** ARGV: key, value, time to live in ms or '', revision it must have or ''. */
export const PUT = `
local key, value, ttl, condition = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local revision, created, expires = find(key)
if condition and condition ~= (revision or 0) then
  if not revision then return { 'conflict' } end
  return { 'conflict', show(key, revision, created, expires) }
end
local given = count('revision')
store(key, value, given, created or given, ttl and us + math.ceil(ttl * 1000) or 0)
return { 'stored', num(given), num(created or given) }
`;

/** ARGV: key, time to live in ms, revision of creation or '', of each. Returns a letter each. */
export const TOUCH = `
local results = {}
for i = 1, #ARGV, 3 do
  local revision, created = find(ARGV[i])
  if not revision or (ARGV[i + 2] ~= '' and created ~= tonumber(ARGV[i + 2])) then
    results[#results + 1] = 'l'
  else
    write(ARGV[i], revision, created, us + math.ceil(ARGV[i + 1] * 1000))
    results[#results + 1] = 't'
  end
end
return table.concat(results)
`;

/** ARGV: key, revision it must have or ''. */
export const DELETE = `
local revision = find(ARGV[1])
if not revision then return 'absent' end
if ARGV[2] ~= '' and revision ~= tonumber(ARGV[2]) then return 'conflict' end
remove(ARGV[1], 'd')
return 'deleted'
`;

/** ARGV: where to begin and end, as ZRANGE BYLEX has it, how many. Returns the highest revision, ms to the next end, entries. */
export const LIST = `
local from, to, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local found = {}
while #found < limit do
  local size = math.min(200, limit - #found)
  local keys = call('ZRANGE', P .. 'keys', from, to, 'BYLEX', 'LIMIT', 0, size)
  for _, key in ipairs(keys) do
    local revision, created, expires = find(key)
    if revision then found[#found + 1] = show(key, revision, created, expires) end
  end
  if #keys < size then break end
  from = '(' .. keys[#keys]
end
local coming = first(P .. 'expiring')
return { call('HGET', P .. 'meta', 'revision') or '0', coming and math.ceil((coming - us) / 1000) or -1, found }
`;

/** ARGV: revision. Returns kind and key, and revision, of what went after it. */
export const GONE = `
return call('ZRANGE', P .. 'gone', '(' .. ARGV[1], '+inf', 'BYSCORE', 'WITHSCORES')
`;
