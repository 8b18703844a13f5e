/** The event log: its library, and the scripts of publishing, reading, bindings and backfill. */

import { QUEUE } from './queue-state.ts';
import { ALLOW_OOM, DENY_OOM, Script } from './script.ts';

/**
 * Keys: `log` (the stream of events), `log:state` (last id, bytes, last trimmed id), `log:dedupe` and `log:dedupe-ids` (event ids
 * within their dedupe window), `topics` (events by topic), `bindings`, `backfills` (range of events still to copy).
 */
export const LOG = `
local function loadLog()
  local v = call('HMGET', ns .. 'log:state', 'ms', 'n', 'bytes', 'trimmed')
  return { ms = tonumber(v[1] or 0), n = tonumber(v[2] or 0), bytes = tonumber(v[3] or 0), trimmed = v[4] or '0-0' }
end

local function saveLog(log)
  call('HSET', ns .. 'log:state', 'ms', log.ms, 'n', log.n, 'bytes', log.bytes, 'trimmed', log.trimmed)
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

local function append(log, topic, key, envelope, body, ms)
  if ms > log.ms then log.ms, log.n = ms, 0 else log.n = log.n + 1 end
  local id = lastId(log)
  call('XADD', ns .. 'log', id, 'topic', topic, 'key', key, 'envelope', envelope, 'body', body)
  log.bytes = log.bytes + #envelope + #body
  return id
end

-- XRANGE returns the fields as a list: topic, key, envelope, body at 2, 4, 6, 8.
-- Deletes one step of the events outside of retention. Returns whether more may follow. Pending backfills need the whole log.
local function trim(log, maxEvents, maxBytes, maxAgeMs)
  if call('HLEN', ns .. 'backfills') > 0 then return false end
  local length = call('XLEN', ns .. 'log')
  local taken, counts, from = 0, {}, '-'
  while taken < STEP do
    local page = call('XRANGE', ns .. 'log', from, '+', 'COUNT', 10)
    local outside = 0
    for _, event in ipairs(page) do
      local ms = split(event[1])
      if length <= maxEvents and log.bytes <= maxBytes and ms >= nowMs - maxAgeMs then break end
      local f = event[2]
      length = length - 1
      log.bytes = log.bytes - #f[6] - #f[8]
      counts[f[2]] = (counts[f[2]] or 0) + 1
      log.trimmed = event[1]
      outside = outside + 1
    end
    taken = taken + outside
    if outside < 10 then break end
    from = '(' .. log.trimmed
  end
  if taken == 0 then return false end
  local ms, n = split(log.trimmed)
  call('XTRIM', ns .. 'log', 'MINID', '=', num(ms) .. '-' .. num(n + 1))
  for topic, count in pairs(counts) do
    if call('HINCRBY', ns .. 'topics', topic, -count) <= 0 then call('HDEL', ns .. 'topics', topic) end
  end
  return taken >= STEP
end

local function pruneEventIds(limit)
  local old = call('ZRANGE', ns .. 'log:dedupe', '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)
  if #old > 0 then
    call('ZREM', ns .. 'log:dedupe', unpack(old))
    call('HDEL', ns .. 'log:dedupe-ids', unpack(old))
  end
  return #old == limit
end

local function notifySubscribers(topic, from, to)
  local text = 'L' .. from .. ' ' .. to .. ' ' .. topic
  call('SPUBLISH', ns .. 'topic:' .. topic, text)
  call('SPUBLISH', ns .. 'topics', text)
end

-- Copies events into a bound queue.
local function deliver(queue, keys, envelopes, bodies, sequences)
  local own, ids = {}, {}
  for i, key in ipairs(keys) do
    own[i] = unusedKey(queue, key)
    ids[#ids + 1] = num(-now - KEEP)
    ids[#ids + 1] = key
  end
  -- A known id keeps a later send from overwriting the message. Its negative score opens no dedupe window.
  call('ZADD', ns .. 'dedupe:' .. queue.name, 'NX', unpack(ids))
  dueBy(queue, now + KEEP)
  insert(queue, own, envelopes, bodies, sequences)
  queue.sent = queue.sent + #keys
end
`;

/**
 * ARGV: topic, version of the bindings, dedupe ms, retention (events, bytes, ms), number of bound queues, their names, then
 * key, envelope, body of each event. Returns a letter and the log id of each, or 'stale' if the bindings have changed.
 */
export const PUBLISH: Script = new Script(
  DENY_OOM,
  QUEUE,
  LOG,
  `
local topic = ARGV[1]
if (call('HGET', ns .. 'counters', 'bindings') or '0') ~= ARGV[2] then return 'stale' end
local base = 7 + tonumber(ARGV[7])
local n = (#ARGV - base) / 3
local members = {}
for i = 1, n do members[i] = topic .. '\\n' .. ARGV[base + 3 * i - 2] end
local known = call('ZMSCORE', ns .. 'log:dedupe', unpack(members))
local log = loadLog()
local results, newIds, windows, ids, keys, envelopes, bodies = {}, {}, {}, {}, {}, {}, {}
local windowEnd = now + tonumber(ARGV[3]) * 1000
for i = 1, n do
  local member = members[i]
  if newIds[member] or (known[i] and tonumber(known[i]) > now) then
    results[#results + 1] = 'd'
    results[#results + 1] = newIds[member] or call('HGET', ns .. 'log:dedupe-ids', member)
  else
    local key, envelope, body = ARGV[base + 3 * i - 2], ARGV[base + 3 * i - 1], ARGV[base + 3 * i]
    local id = append(log, topic, key, envelope, body, nowMs)
    newIds[member] = id
    windows[#windows + 1] = windowEnd
    windows[#windows + 1] = member
    ids[#ids + 1] = member
    ids[#ids + 1] = id
    keys[#keys + 1] = key
    envelopes[#envelopes + 1] = envelope
    bodies[#bodies + 1] = body
    results[#results + 1] = 's'
    results[#results + 1] = id
  end
end
if #keys == 0 then return results end
call('ZADD', ns .. 'log:dedupe', unpack(windows))
call('HSET', ns .. 'log:dedupe-ids', unpack(ids))
call('HINCRBY', ns .. 'topics', topic, #keys)
pruneEventIds(2 * #keys)
trim(log, tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]))
saveLog(log)
schedule('\\nlog', windowEnd)
for i = 8, base do
  local queue = load(ARGV[i])
  if queue then
    deliver(queue, keys, envelopes, bodies)
    saveAndWake(queue)
  end
end
notifySubscribers(topic, ids[2], lastId(log))
return results
`,
);

/** Returns the id of the last event and of the last trimmed event. */
export const LOG_RANGE: Script = new Script(
  ALLOW_OOM,
  LOG,
  `
local log = loadLog()
return { lastId(log), log.trimmed }
`,
);

/**
 * ARGV: id to read after, last id to read or +, a topic or '', a Lua pattern, max. Returns whether events after the first id
 * were trimmed, the id that was read up to, whether that is the end, then id, topic, key, envelope, body of each event.
 */
export const READ_LOG: Script = new Script(
  ALLOW_OOM,
  LOG,
  `
local after, upTo, exact, pattern, max = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local log = loadLog()
if isBefore(after, log.trimmed) then return { 1, log.trimmed, 0 } end
local out, found, bytes, scanned, isEnd = { 0, after, 0 }, 0, 0, 0, 0
while found < max and bytes < 1048576 and scanned < 2000 do
  local count = math.min(50, max - found)
  local page = call('XRANGE', ns .. 'log', '(' .. after, upTo, 'COUNT', count)
  for _, event in ipairs(page) do
    local f = event[2]
    after = event[1]
    bytes = bytes + #f[8]
    if f[2] == exact or (exact == '' and string.find(f[2], pattern)) then
      found = found + 1
      out[#out + 1] = after
      out[#out + 1] = f[2]
      out[#out + 1] = f[4]
      out[#out + 1] = f[6]
      out[#out + 1] = f[8]
    end
  end
  scanned = scanned + #page
  if #page < count then
    isEnd = 1
    if upTo == '+' then after = lastId(log) else after = upTo end
    break
  end
end
out[2], out[3] = after, isEnd
return out
`,
);

/** Returns the version, then field (queue, pattern) and value (id it begins after, number) of each binding. */
export const LIST_BINDINGS: Script = new Script(
  ALLOW_OOM,
  `
local all = call('HGETALL', ns .. 'bindings')
table.insert(all, 1, call('HGET', ns .. 'counters', 'bindings') or '0')
return all
`,
);

/** ARGV: queue, pattern, settings of a new queue, id to begin after ('' for now). Returns whether a backfill is pending. */
export const BIND: Script = new Script(
  DENY_OOM,
  QUEUE,
  LOG,
  `
local name, pattern = ARGV[1], ARGV[2]
local queue = ensure(name, ARGV[3])
local binding = name .. '\\n' .. pattern
if call('HEXISTS', ns .. 'bindings', binding) == 1 then save(queue) return 0 end
local log = loadLog()
local since = ARGV[4] == '' and lastId(log) or ARGV[4]
call('HSET', ns .. 'bindings', binding, since .. ' ' .. num(nextNumber('bindings')))
call('HSET', ns .. 'bindings:' .. name, pattern, since)
local isPending = isBefore(since, lastId(log))
if isPending then
  call('HSET', ns .. 'backfills', binding, since .. ' ' .. lastId(log))
  queue.backfills = queue.backfills + 1
  dueBy(queue, now + 1000000)
end
save(queue)
return isPending and 1 or 0
`,
);

/** ARGV: queue, pattern, settings of a new queue. The binding begins now. Returns whether it is new. */
export const IMPORT_BINDING: Script = new Script(
  DENY_OOM,
  QUEUE,
  LOG,
  `
local name, pattern = ARGV[1], ARGV[2]
save((ensure(name, ARGV[3])))
local binding = name .. '\\n' .. pattern
if call('HEXISTS', ns .. 'bindings', binding) == 1 then return 0 end
local since = lastId(loadLog())
call('HSET', ns .. 'bindings', binding, since .. ' ' .. num(nextNumber('bindings')))
call('HSET', ns .. 'bindings:' .. name, pattern, since)
return 1
`,
);

/** ARGV: queue, pattern. */
export const UNBIND: Script = new Script(
  ALLOW_OOM,
  QUEUE,
  `
local name, pattern = ARGV[1], ARGV[2]
local binding = name .. '\\n' .. pattern
if call('HDEL', ns .. 'bindings', binding) == 0 then return 0 end
call('HDEL', ns .. 'bindings:' .. name, pattern)
nextNumber('bindings')
if call('HDEL', ns .. 'backfills', binding) == 1 then
  local queue = load(name)
  if queue then
    queue.backfills = math.max(0, queue.backfills - 1)
    save(queue)
  end
end
return 1
`,
);

/** ARGV: queue. Returns pattern and range (next id, last id) of each pending backfill. */
export const PENDING_BACKFILLS: Script = new Script(
  ALLOW_OOM,
  `
local all = {}
for _, pattern in ipairs(call('HKEYS', ns .. 'bindings:' .. ARGV[1])) do
  local range = call('HGET', ns .. 'backfills', ARGV[1] .. '\\n' .. pattern)
  if range then
    all[#all + 1] = pattern
    all[#all + 1] = range
  end
end
return all
`,
);

/**
 * ARGV: queue, pattern, range of this step, range that remains, whether this is the last step, ids of the events to copy.
 * Changes nothing if another process has done the step.
 */
export const BACKFILL: Script = new Script(
  DENY_OOM,
  QUEUE,
  LOG,
  `
local name, binding = ARGV[1], ARGV[1] .. '\\n' .. ARGV[2]
local queue = load(name)
if not queue or call('HGET', ns .. 'backfills', binding) ~= ARGV[3] then return 0 end
local keys, envelopes, bodies, sequences = {}, {}, {}, {}
for i = 6, #ARGV do
  local event = call('XRANGE', ns .. 'log', ARGV[i], ARGV[i])[1]
  if event then
    local f = event[2]
    local ms, n = split(event[1])
    local ageMs = math.max(0, nowMs - ms)
    local _, _, ttl, delayMs = parse(f[6])
    if not ttl or ttl > ageMs then
      local envelope = f[6]
      if ttl or delayMs > 0 then
        local ttlLeft = ttl and num(math.ceil(ttl - ageMs)) or '-'
        local delayLeft = num(math.max(0, math.ceil(delayMs - ageMs)))
        envelope = string.gsub(envelope, '^(%d %d+) %S+ %S+ ', '%1 ' .. ttlLeft .. ' ' .. delayLeft .. ' ', 1)
      end
      keys[#keys + 1] = f[4]
      envelopes[#envelopes + 1] = envelope
      bodies[#bodies + 1] = f[8]
      -- The time of publishing gives the sequence, so the event precedes later ones that are in the queue already.
      sequences[#sequences + 1] = math.floor((ms * 1000 - EPOCH) / 4) + math.min(n, 249)
    end
  end
end
if #keys > 0 then deliver(queue, keys, envelopes, bodies, sequences) end
if ARGV[5] == '1' then
  call('HDEL', ns .. 'backfills', binding)
  queue.backfills = math.max(0, queue.backfills - 1)
else
  call('HSET', ns .. 'backfills', binding, ARGV[4])
  dueBy(queue, now + 1000000)
end
saveAndWake(queue)
return 1
`,
);

/** ARGV: topic, then one payload an event. Nothing is stored. */
export const PUBLISH_EPHEMERAL: Script = new Script(
  ALLOW_OOM,
  `
for i = 2, #ARGV do
  call('SPUBLISH', ns .. 'topic:' .. ARGV[1], ARGV[i])
  call('SPUBLISH', ns .. 'topics', ARGV[i])
end
return 1
`,
);
