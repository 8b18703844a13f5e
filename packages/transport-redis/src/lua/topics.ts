/** The log of a namespace and the bindings that feed queues from it. */

/** `log` is the stream of events, `log:state` its last id, bytes and what was trimmed; `seen` and `seenAt` are its dedupe memory. */
export const LOG = `
local function logState()
  local v = call('HMGET', P .. 'log:state', 'ms', 'n', 'bytes', 'trimmed')
  return { ms = tonumber(v[1] or 0), n = tonumber(v[2] or 0), bytes = tonumber(v[3] or 0), trimmed = v[4] or '0-0' }
end

local function saveLog(log)
  call('HSET', P .. 'log:state', 'ms', log.ms, 'n', log.n, 'bytes', log.bytes, 'trimmed', log.trimmed)
end

local function lastId(log)
  return num(log.ms) .. '-' .. num(log.n)
end

local function split(id)
  local ms, n = string.match(id, '^(%d+)%-(%d+)$')
  return tonumber(ms), tonumber(n)
end

local function isBefore(a, b)
  local ams, an = split(a)
  local bms, bn = split(b)
  return ams < bms or (ams == bms and an < bn)
end

local function append(log, topic, key, head, body, ms)
  if ms > log.ms then log.ms, log.n = ms, 0 else log.n = log.n + 1 end
  local id = lastId(log)
  call('XADD', P .. 'log', id, 'topic', topic, 'key', key, 'head', head, 'body', body)
  log.bytes = log.bytes + #head + #body
  return id
end

-- XRANGE gives the fields as a list: topic, key, head, body at 2, 4, 6, 8.
-- Takes what retention does not keep, a step of it. Whether there may be more.
local function trim(log, maxEvents, maxBytes, maxAgeMs)
  if call('HLEN', P .. 'copies') > 0 then return false end
  local length = call('XLEN', P .. 'log')
  local taken, counts, from = 0, {}, '-'
  while taken < STEP do
    local page = call('XRANGE', P .. 'log', from, '+', 'COUNT', 10)
    local over = 0
    for _, event in ipairs(page) do
      local ms = split(event[1])
      if length <= maxEvents and log.bytes <= maxBytes and ms >= nowMs - maxAgeMs then break end
      local f = event[2]
      length = length - 1
      log.bytes = log.bytes - #f[6] - #f[8]
      counts[f[2]] = (counts[f[2]] or 0) + 1
      log.trimmed = event[1]
      over = over + 1
    end
    taken = taken + over
    if over < 10 then break end
    from = '(' .. log.trimmed
  end
  if taken == 0 then return false end
  local ms, n = split(log.trimmed)
  call('XTRIM', P .. 'log', 'MINID', '=', num(ms) .. '-' .. num(n + 1))
  for topic, count in pairs(counts) do
    if call('HINCRBY', P .. 'topics', topic, -count) <= 0 then call('HDEL', P .. 'topics', topic) end
  end
  return taken >= STEP
end

local function forgetSeen(limit)
  local old = call('ZRANGE', P .. 'seen', '-inf', us, 'BYSCORE', 'LIMIT', 0, limit)
  if #old > 0 then
    call('ZREM', P .. 'seen', unpack(old))
    call('HDEL', P .. 'seenAt', unpack(old))
  end
  return #old == limit
end

local function tellEvents(topic, from, to)
  local text = 'L' .. from .. ' ' .. to .. ' ' .. topic
  call('SPUBLISH', P .. 'topic:' .. topic, text)
  call('SPUBLISH', P .. 'topics', text)
end

-- Hands events to a queue that is bound to them.
local function feed(q, keys, heads, bodies, places_)
  local own, planned = {}, {}
  for i, key in ipairs(keys) do
    own[i] = freeKey(q, key)
    planned[#planned + 1] = num(-us - KEEP)
    planned[#planned + 1] = key
  end
  -- Known, so that a send under the same id does not write over it; yet no window begins by it.
  call('ZADD', P .. 'dedupe:' .. q.name, 'NX', unpack(planned))
  later(q, us + KEEP)
  intake(q, own, heads, bodies, places_)
  q.sent = q.sent + #keys
end
`;

/**
 * ARGV: topic, version of the bindings, dedupe in ms, bounds of retention (events, bytes, ms), number of bound queues, these, then key,
 * head and body of each event. Returns a letter and the position of each.
 */
export const PUBLISH = `
local topic = ARGV[1]
if (call('HGET', P .. 'meta', 'bindings') or '0') ~= ARGV[2] then return 'stale' end
local base = 7 + tonumber(ARGV[7])
local n = (#ARGV - base) / 3
local members = {}
for i = 1, n do members[i] = topic .. '\\n' .. ARGV[base + 3 * i - 2] end
local known = call('ZMSCORE', P .. 'seen', unpack(members))
local log = logState()
local results, fresh, noted, places_, keys, heads, bodies = {}, {}, {}, {}, {}, {}, {}
local untilUs = us + tonumber(ARGV[3]) * 1000
for i = 1, n do
  local member = members[i]
  if fresh[member] or (known[i] and tonumber(known[i]) > us) then
    results[#results + 1] = 'd'
    results[#results + 1] = fresh[member] or call('HGET', P .. 'seenAt', member)
  else
    local key, head, body = ARGV[base + 3 * i - 2], ARGV[base + 3 * i - 1], ARGV[base + 3 * i]
    local id = append(log, topic, key, head, body, nowMs)
    fresh[member] = id
    noted[#noted + 1] = untilUs
    noted[#noted + 1] = member
    places_[#places_ + 1] = member
    places_[#places_ + 1] = id
    keys[#keys + 1] = key
    heads[#heads + 1] = head
    bodies[#bodies + 1] = body
    results[#results + 1] = 's'
    results[#results + 1] = id
  end
end
if #keys == 0 then return results end
call('ZADD', P .. 'seen', unpack(noted))
call('HSET', P .. 'seenAt', unpack(places_))
call('HINCRBY', P .. 'topics', topic, #keys)
forgetSeen(2 * #keys)
trim(log, tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]))
saveLog(log)
plan('\\nlog', untilUs)
for i = 8, base do
  local q = load(ARGV[i])
  if q then
    feed(q, keys, heads, bodies)
    save(q)
    wake(ARGV[i], q.freed)
  end
end
tellEvents(topic, places_[2], lastId(log))
return results
`;

/** ARGV: a new store id. Returns the store id, the last position, and up to where the log was trimmed. */
export const PLACE = `
call('HSETNX', P .. 'meta', 'store', ARGV[1])
local log = logState()
return { call('HGET', P .. 'meta', 'store'), lastId(log), log.trimmed }
`;

/**
 * ARGV: position to go on behind, one up to which to read or +, a topic or '', a Lua pattern, how many. Returns whether
 * it was trimmed, up to where was read, whether that is all, and the events.
 */
export const READ = `
local after, upTo, exact, pattern, max = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local log = logState()
if isBefore(after, log.trimmed) then return { 1, log.trimmed, 0 } end
local events, found, bytes, scanned, isAll = { 0, after, 0 }, 0, 0, 0, 0
while found < max and bytes < 1048576 and scanned < 2000 do
  local count = math.min(50, max - found)
  local page = call('XRANGE', P .. 'log', '(' .. after, upTo, 'COUNT', count)
  for _, event in ipairs(page) do
    local f = event[2]
    after = event[1]
    bytes = bytes + #f[8]
    if f[2] == exact or (exact == '' and string.find(f[2], pattern)) then
      found = found + 1
      events[#events + 1] = after
      events[#events + 1] = f[2]
      events[#events + 1] = f[4]
      events[#events + 1] = f[6]
      events[#events + 1] = f[8]
    end
  end
  scanned = scanned + #page
  if #page < count then
    isAll = 1
    if upTo == '+' then after = lastId(log) else after = upTo end
    break
  end
end
events[2], events[3] = after, isAll
return events
`;

/** All bindings with their version: field is queue and pattern, value where it begins and its number. */
export const BINDINGS = `
local all = call('HGETALL', P .. 'bindings')
table.insert(all, 1, call('HGET', P .. 'meta', 'bindings') or '0')
return all
`;

/** ARGV: queue, pattern, settings, position it begins behind ('' for now). History follows by COPY. Returns whether some is to follow. */
export const BIND = `
local Q, pattern = ARGV[1], ARGV[2]
local q = ensure(Q, ARGV[3])
local name = Q .. '\\n' .. pattern
if call('HEXISTS', P .. 'bindings', name) == 1 then save(q) return 0 end
local log = logState()
local since = ARGV[4] == '' and lastId(log) or ARGV[4]
local number = count('bindings')
call('HSET', P .. 'bindings', name, since .. ' ' .. num(number))
call('HSET', P .. 'bound:' .. Q, pattern, since)
local follows = isBefore(since, lastId(log))
if follows then
  call('HSET', P .. 'copies', name, since .. ' ' .. lastId(log))
  q.copying = q.copying + 1
  later(q, us + 1000000)
end
save(q)
return follows and 1 or 0
`;

/** ARGV: queue, pattern, settings. Whether it is new; it begins now. */
export const IMPORT_BINDING = `
local Q, pattern = ARGV[1], ARGV[2]
save((ensure(Q, ARGV[3])))
local name = Q .. '\\n' .. pattern
if call('HEXISTS', P .. 'bindings', name) == 1 then return 0 end
local log = logState()
local number = count('bindings')
call('HSET', P .. 'bindings', name, lastId(log) .. ' ' .. num(number))
call('HSET', P .. 'bound:' .. Q, pattern, lastId(log))
return 1
`;

export const UNBIND = `
local Q, pattern = ARGV[1], ARGV[2]
local name = Q .. '\\n' .. pattern
if call('HDEL', P .. 'bindings', name) == 0 then return 0 end
call('HDEL', P .. 'bound:' .. Q, pattern)
count('bindings')
if call('HDEL', P .. 'copies', name) == 1 then
  local q = load(Q)
  if q then
    q.copying = math.max(0, q.copying - 1)
    save(q)
  end
end
return 1
`;

/** ARGV: queue. Returns the patterns whose history is still to be copied, each with from where and up to where. */
export const COPIES = `
local all = {}
for _, pattern in ipairs(call('HKEYS', P .. 'bound:' .. ARGV[1])) do
  local place = call('HGET', P .. 'copies', ARGV[1] .. '\\n' .. pattern)
  if place then
    all[#all + 1] = pattern
    all[#all + 1] = place
  end
end
return all
`;

/**
 * ARGV: queue, pattern, place it was at, next place, whether that is all, ids of events to be copied. Whoever was
 * overtaken by another that copies changes nothing.
 */
export const COPY = `
local Q, name = ARGV[1], ARGV[1] .. '\\n' .. ARGV[2]
local q = load(Q)
if not q or call('HGET', P .. 'copies', name) ~= ARGV[3] then return 0 end
local keys, heads, bodies, own = {}, {}, {}, {}
for i = 6, #ARGV do
  local event = call('XRANGE', P .. 'log', ARGV[i], ARGV[i])[1]
  if event then
    local f = event[2]
    local age = math.max(0, nowMs - split(event[1]))
    local p, m, ttl, delay, okey = parse(f[6])
    if not ttl or ttl > age then
      local head = f[6]
      if ttl or delay > 0 then
        local left = ttl and num(math.ceil(ttl - age)) or '-'
        head = string.gsub(head, '^(%d %d+) %S+ %S+ ', '%1 ' .. left .. ' ' .. num(math.max(0, math.ceil(delay - age))) .. ' ', 1)
      end
      keys[#keys + 1] = f[4]
      heads[#heads + 1] = head
      bodies[#bodies + 1] = f[8]
      -- It comes before what was published later, though that was there first.
      local ms, n = split(event[1])
      own[#own + 1] = math.floor((ms * 1000 - EPOCH) / 4) + math.min(n, 249)
    end
  end
end
if #keys > 0 then feed(q, keys, heads, bodies, own) end
if ARGV[5] == '1' then
  call('HDEL', P .. 'copies', name)
  q.copying = math.max(0, q.copying - 1)
else
  call('HSET', P .. 'copies', name, ARGV[4])
  later(q, us + 1000000)
end
save(q)
wake(Q, q.freed)
return 1
`;

/** ARGV: topic, what is to be handed to those who listen now. */
export const PASS = `
for i = 2, #ARGV do
  call('SPUBLISH', P .. 'topic:' .. ARGV[1], ARGV[i])
  call('SPUBLISH', P .. 'topics', ARGV[i])
end
return 1
`;
