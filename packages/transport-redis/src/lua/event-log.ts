/** The event log: its library, and the scripts that read it. */

import { BASE, Library, type Script } from './script.ts';

/**
 * - `log`: the stream of events. `log:state`: last id, bytes, last trimmed id. `topics`: number of events by topic.
 * - `log:dedupe`, `log:dedupe-ids`: topic and key of recent events, by end of the dedupe window and with the log id.
 * - `bindings`: all bindings. `backfills`: the range of events that a binding still has to copy.
 */
export const LOG: Library = new Library(`
local function split(id)
  local ms, n = string.match(id, '^(%d+)%-(%d+)$')
  return tonumber(ms), tonumber(n)
end

local function loadLog()
  local v = call('HMGET', ns .. 'log:state', 'ms', 'n', 'bytes', 'trimmed')
  local log = { ms = tonumber(v[1] or 0), n = tonumber(v[2] or 0), bytes = tonumber(v[3] or 0), trimmed = v[4] or '0-0' }
  local last = not v[1] and call('XREVRANGE', ns .. 'log', '+', '-', 'COUNT', 1)[1]
  if last then
    -- The store lost the state, and has the events.
    log.ms, log.n = split(last[1])
    local ms, n = split(call('XRANGE', ns .. 'log', '-', '+', 'COUNT', 1)[1][1])
    log.trimmed = n > 0 and num(ms) .. '-' .. num(n - 1) or num(ms - 1) .. '-9999999999'
  end
  return log
end

local function saveLog(log)
  call('HSET', ns .. 'log:state', 'ms', log.ms, 'n', log.n, 'bytes', log.bytes, 'trimmed', log.trimmed)
end

local function lastId(log)
  return num(log.ms) .. '-' .. num(log.n)
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

-- Counts the events of a log that the store lost. Cursors before its end learn that they expired.
local function countLostEvents(log)
  if call('XLEN', ns .. 'log') > 0 then return end
  local lost = 0
  for _, count in ipairs(call('HVALS', ns .. 'topics')) do lost = lost + tonumber(count) end
  if lost == 0 then return end
  call('UNLINK', ns .. 'topics')
  call('HINCRBY', ns .. 'lost', 'events', lost)
  log.bytes, log.trimmed = 0, lastId(log)
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
`);

/** Returns the id of the last event and of the last trimmed event. */
export const LOG_RANGE: Script = LOG.allowOom(`
local log = loadLog()
return { lastId(log), log.trimmed }
`);

/**
 * ARGV: id to read after, last id to read or +, a topic or '', a Lua pattern, max. Returns whether events after the first id
 * were trimmed, the id that was read up to, whether that is the end, then id, topic, key, envelope, body of each event.
 */
export const READ_LOG: Script = LOG.allowOom(`
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
      push(out, after, f[2])
      push(out, f[4], f[6])
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
`);

/** ARGV: first id, limit. Returns log id, and topic and key, of each event. */
export const EVENT_KEYS: Script = BASE.allowOom(`
local out = {}
for _, event in ipairs(call('XRANGE', ns .. 'log', ARGV[1], '+', 'COUNT', ARGV[2])) do
  push(out, event[1], event[2][2] .. '\\n' .. event[2][4])
end
return out
`);
