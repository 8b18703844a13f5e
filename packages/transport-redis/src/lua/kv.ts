/** Key-value scripts: get, put, touch, delete, list, and the deletions that a watch missed. */

import { BASE, Library, type Script } from './script.ts';

/**
 * - `kv:entries`: by key a line with revision, revision of creation and end of life, then the value.
 * - `kv:keys`: keys in byte order. `kv:expiry`: keys by end of life. `kv:deleted`: the last 10,000 removals by revision.
 *
 * Changes are published on the channel `kv`, and on a channel of the keys that begin with the same 8 bytes.
 */
export const KV: Library = new Library(`
-- Hexadecimal, without what is equal or missing: at most 31 characters take half of the memory of 50.
local function hex(n) return string.format('%x', n) end

local function formatEntry(revision, created, expires, value)
  return hex(revision) .. ' ' .. (created == revision and '' or hex(created)) .. ' ' .. (expires == 0 and '' or hex(expires)) ..
    '\\n' .. value
end

-- revision, revision of creation, end of life (0: none), where the value begins
local function parseEntry(text)
  local revision, created, expires, from = string.match(text, '^(%x+) (%x*) (%x*)\\n()')
  return tonumber(revision, 16), tonumber(created == '' and revision or created, 16),
    expires == '' and 0 or tonumber(expires, 16), from
end

local function channelOf(key)
  return ns .. 'kv:' .. string.sub(key, 1, 8)
end

-- Returns whether a process watches such keys.
local function publishChange(kind, revision, created, expires, key, value)
  local text = kind .. ' ' .. num(revision) .. ' ' .. num(created) .. ' ' ..
    num(expires > 0 and math.max(1, expires - now) or 0) .. ' ' .. #key .. '\\n' .. key .. value
  return call('SPUBLISH', ns .. 'kv', text) + call('SPUBLISH', channelOf(key), text) > 0
end

-- kind: d (deleted) or x (expired)
local function removeEntry(key, kind)
  local revision = nextNumber('revision')
  call('HDEL', ns .. 'kv:entries', key)
  call('ZREM', ns .. 'kv:keys', key)
  call('ZREM', ns .. 'kv:expiry', key)
  call('ZADD', ns .. 'kv:deleted', revision, kind .. key)
  call('ZREMRANGEBYRANK', ns .. 'kv:deleted', 0, -10001)
  publishChange(kind, revision, 0, 0, key, '')
end

-- revision, revision of creation, end of life (0: none), value; nil for an unknown key
local function findEntry(key)
  local text = call('HGET', ns .. 'kv:entries', key)
  if not text then return nil end
  local revision, created, expires, from = parseEntry(text)
  if expires > 0 and expires <= now then
    removeEntry(key, 'x')
    return nil
  end
  return revision, created, expires, string.sub(text, from)
end

-- The end of life after a time to live in ms (0: none).
local function endOf(ttl)
  return ttl > 0 and now + math.ceil(ttl * 1000) or 0
end

local function storeEntry(key, value, revision, created, expires)
  call('HSET', ns .. 'kv:entries', key, formatEntry(revision, created, expires, value))
  if expires > 0 then
    call('ZADD', ns .. 'kv:expiry', expires, key)
    schedule('\\nkv', expires)
  else
    call('ZREM', ns .. 'kv:expiry', key)
  end
end

local function writeEntry(key, value, revision, created, expires)
  storeEntry(key, value, revision, created, expires)
  call('ZADD', ns .. 'kv:keys', 0, key)
  call('ZREM', ns .. 'kv:deleted', 'd' .. key, 'x' .. key)
  publishChange('p', revision, created, expires, key, value)
end

-- Puts new entries, given as parallel lists of keys, values and times to live in ms (0: none).
local function insertEntries(keys, values, ttls)
  local revision = nextNumber('revision', #keys)
  local stored, members, ends, firstEnd = {}, {}, {}, math.huge
  local unwatched = {}
  -- Most entries of a script have one time to live.
  local ttl, expires, endText, between
  for i = 1, #keys do
    local key, channel = keys[i], string.sub(keys[i], 1, 8)
    if ttls[i] ~= ttl then
      ttl, expires = ttls[i], endOf(ttls[i])
      endText, between = num(expires), '  ' .. (expires == 0 and '' or hex(expires)) .. '\\n'
      if expires > 0 then firstEnd = math.min(firstEnd, expires) end
    end
    stored[2 * i - 1], stored[2 * i] = key, hex(revision) .. between .. values[i]
    members[2 * i - 1], members[2 * i] = '0', key
    if expires > 0 then push(ends, endText, key) end
    -- Without a watch the other changes need no message either.
    if not unwatched[channel] then unwatched[channel] = not publishChange('p', revision, revision, expires, key, values[i]) end
    revision = revision + 1
  end
  call('HSET', ns .. 'kv:entries', unpack(stored))
  call('ZADD', ns .. 'kv:keys', unpack(members))
  if #ends > 0 then
    call('ZADD', ns .. 'kv:expiry', unpack(ends))
    schedule('\\nkv', firstEnd)
  end
  if call('EXISTS', ns .. 'kv:deleted') == 0 then return end
  for _, key in ipairs(keys) do call('ZREM', ns .. 'kv:deleted', 'd' .. key, 'x' .. key) end
end

-- Puts an entry without a condition. Returns its revision and revision of creation.
local function replaceEntry(key, value, ttl, created)
  local revision = nextNumber('revision')
  writeEntry(key, value, revision, created or revision, endOf(ttl))
  return revision, created or revision
end

-- Puts entries without a condition, given like those of insertEntries.
local function putEntries(keys, values, ttls)
  if #keys == 0 then return end
  local known = call('HMGET', ns .. 'kv:entries', unpack(keys))
  local newKeys, newValues, newTtls, others, isNew = {}, {}, {}, {}, {}
  local count = 0
  for i = 1, #keys do
    local key = keys[i]
    if known[i] or isNew[key] then
      others[#others + 1] = i
    else
      isNew[key] = true
      count = count + 1
      newKeys[count], newValues[count], newTtls[count] = key, values[i], ttls[i]
    end
  end
  if count > 0 then insertEntries(newKeys, newValues, newTtls) end
  for _, i in ipairs(others) do
    local _, created = findEntry(keys[i])
    replaceEntry(keys[i], values[i], ttls[i], created)
  end
end

-- Takes what findEntry returns.
local function entryReply(key, revision, created, expires, value)
  return { key, value, num(revision), num(created), num(expires > 0 and expires - now or 0) }
end

local function isConsistent()
  return call('HLEN', ns .. 'kv:entries') == call('ZCARD', ns .. 'kv:keys')
end

-- Removes the keys whose entries the store lost, and plans the expiry of the others.
local function repairEntries()
  if isConsistent() and call('EXISTS', ns .. 'kv:expiry') == 1 then return end
  local removed = {}
  for _, names in ipairs({ call('ZRANGE', ns .. 'kv:keys', 0, -1), call('HKEYS', ns .. 'kv:entries') }) do
    for _, key in ipairs(names) do
      local entry = call('HGET', ns .. 'kv:entries', key)
      if entry then
        call('ZADD', ns .. 'kv:keys', 0, key)
        local _, _, expires = parseEntry(entry)
        if expires > 0 then call('ZADD', ns .. 'kv:expiry', expires, key) end
      elseif not removed[key] then
        removed[key] = true
        removeEntry(key, 'd')
        call('HINCRBY', ns .. 'lost', 'keys', 1)
      end
    end
  end
end

-- Removes one step of expired entries. Returns when the next entry expires.
local function expireEntries()
  local expired = call('ZRANGE', ns .. 'kv:expiry', '-inf', now, 'BYSCORE', 'LIMIT', 0, STEP)
  for _, key in ipairs(expired) do removeEntry(key, 'x') end
  local nextAt = firstScore(ns .. 'kv:expiry')
  if nextAt then schedule('\\nkv', nextAt) end
  return nextAt
end
`);

/** ARGV: key. */
export const KV_GET: Script = KV.allowOom(`
local revision, created, expires, value = findEntry(ARGV[1])
if not revision then return false end
return entryReply(ARGV[1], revision, created, expires, value)
`);

/** ARGV: key, value, time to live in ms (0: none), required revision or '', of each. Returns a list of each. */
export const KV_PUT: Script = KV.denyOom(`
local function put(key, value, ttl, required)
  local revision, created, expires, present = findEntry(key)
  if required and required ~= (revision or 0) then
    return { 'conflict', revision and entryReply(key, revision, created, expires, present) or nil }
  end
  revision, created = replaceEntry(key, value, ttl, created)
  return { 'stored', num(revision), num(created) }
end
local results = {}
for i = 1, #ARGV, 4 do results[#results + 1] = put(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])) end
return results
`);

/** ARGV: key, time to live in ms, revision of creation or '', of each. Returns a letter each: touched, lost. */
export const KV_TOUCH: Script = KV.allowOom(
  `
local results = {}
for i = 1, #ARGV, 3 do
  local revision, created, _, value = findEntry(ARGV[i])
  if not revision or (ARGV[i + 2] ~= '' and created ~= tonumber(ARGV[i + 2])) then
    results[#results + 1] = 'l'
  else
    storeEntry(ARGV[i], value, revision, created, endOf(tonumber(ARGV[i + 1])))
    results[#results + 1] = 't'
  end
end
return table.concat(results)
`,
  { changes: true },
);

/** ARGV: key, required revision or ''. */
export const KV_DELETE: Script = KV.allowOom(
  `
local revision = findEntry(ARGV[1])
if not revision then return 'absent' end
if ARGV[2] ~= '' and revision ~= tonumber(ARGV[2]) then return 'conflict' end
removeEntry(ARGV[1], 'd')
return 'deleted'
`,
  { changes: true },
);

/** ARGV: first and last key as in ZRANGE BYLEX, limit. Returns the highest revision, ms until an entry expires, the entries. */
export const KV_LIST: Script = KV.allowOom(`
local from, to, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local found = {}
while #found < limit do
  local size = math.min(200, limit - #found)
  local keys = call('ZRANGE', ns .. 'kv:keys', from, to, 'BYLEX', 'LIMIT', 0, size)
  for _, key in ipairs(keys) do
    local revision, created, expires, value = findEntry(key)
    if revision then found[#found + 1] = entryReply(key, revision, created, expires, value) end
  end
  if #keys < size then break end
  from = '(' .. keys[#keys]
end
local nextAt = firstScore(ns .. 'kv:expiry')
return { call('HGET', ns .. 'counters', 'revision') or '0', nextAt and math.ceil((nextAt - now) / 1000) or -1, found }
`);

/** ARGV: revision. Returns kind and key, and revision, of each later deletion. */
export const KV_DELETED_SINCE: Script = BASE.allowOom(`
return call('ZRANGE', ns .. 'kv:deleted', '(' .. ARGV[1], '+inf', 'BYSCORE', 'WITHSCORES')
`);
