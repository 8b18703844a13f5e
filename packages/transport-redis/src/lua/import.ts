/** Scripts that import exported state. An item that exists already stays as it is. */

import { LOG } from './event-log.ts';
import { KV } from './kv.ts';
import { QUEUE } from './queue-state.ts';
import { Library, type Script } from './script.ts';

/**
 * ARGV: queue, settings of a new queue, then key, message, attempts, dead reason or '', ms of life left or '' and Unix ms of
 * sending of each. Returns how many are new.
 */
export const IMPORT_MESSAGES: Script = QUEUE.denyOom(`
local name = ARGV[1]
local queue = ensure(name, ARGV[2])
local count = 0
local hasAliases = call('EXISTS', ns .. 'aliases:' .. name) == 1

-- Whether the queue has this message, or within its window another one that was sent with its id. An id has several messages
-- after its window, and in a queue that is bound to several topics.
local function isKnown(key, new, sentAt)
  local topic = topicOf(new)
  local keys = hasAliases and aliasesOf(name, key) or {}
  if call('HEXISTS', ns .. 'message:' .. name, key) == 1 then keys[#keys + 1] = key end
  local hasSame = false
  for _, known in ipairs(keys) do
    local message = call('HGET', ns .. 'message:' .. name, known)
    if not message then return true end
    if topicOf(message) == topic then
      if sentAtOf(message) == sentAt then return true end
      hasSame = true
    end
  end
  return hasSame and not topic and tonumber(call('ZSCORE', ns .. 'dedupe:' .. name, key) or 0) > now
end

-- Whether it was neither delayed nor bounded in its life.
local function isSimple(message)
  return isBrief(message) or string.find(message, '^%d %d+ %- 0 ')
end

-- A call for each message takes twice as long, so those that need nothing special go in together.
local keys, messages, windows, attempted, isWaiting = {}, {}, {}, {}, {}
local function insertWaiting()
  if #keys == 0 then return end
  call('ZADD', ns .. 'dedupe:' .. name, 'NX', unpack(windows))
  dueBy(queue, now + KEEP)
  if #attempted > 0 then call('HSET', ns .. 'attempts:' .. name, unpack(attempted)) end
  insert(queue, keys, messages)
  keys, messages, windows, attempted, isWaiting = {}, {}, {}, {}, {}
end

for i = 3, #ARGV, 6 do
  local key, message, attempts, deadReason = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if isSimple(message) and deadReason == '' and ARGV[i + 4] == '' and not hasAliases and not isWaiting[key]
    and call('HEXISTS', ns .. 'message:' .. name, key) == 0 then
    count = count + 1
    isWaiting[key] = true
    keys[#keys + 1], messages[#messages + 1] = key, message
    push(windows, num(-now - KEEP), key)
    if attempts ~= '' then push(attempted, key, attempts) end
  else
    insertWaiting()
    if not isKnown(key, message, tonumber(ARGV[i + 5])) then
      count = count + 1
      call('ZADD', ns .. 'dedupe:' .. name, 'NX', num(-now - KEEP), key)
      dueBy(queue, now + KEEP)
      local own = unusedKey(queue, key)
      hasAliases = hasAliases or own ~= key
      key = own
      if attempts ~= '' then call('HSET', ns .. 'attempts:' .. name, key, attempts) end
      if deadReason == '' then
        insert(queue, { key }, { message })
        if ARGV[i + 4] ~= '' then
          local ends = now + math.ceil(ARGV[i + 4] * 1000)
          call('ZADD', ns .. 'ttl:' .. name, ends, key)
          dueBy(queue, ends)
        end
      else
        call('HSET', ns .. 'message:' .. name, key, message)
        call('HSET', ns .. 'dead-reason:' .. name, key, deadReason)
        local at = tonumber(string.match(deadReason, '^%d+')) * 1000
        while #call('ZRANGE', ns .. 'dead:' .. name, num(at), num(at), 'BYSCORE', 'LIMIT', 0, 1) > 0 do at = at + 1 end
        call('ZADD', ns .. 'dead:' .. name, num(at), key)
        if queue.deadTtlMs >= 0 then dueBy(queue, at + queue.deadTtlMs * 1000) end
      end
    end
  end
end
insertWaiting()
saveAndWake(queue)
return count
`);

/** ARGV: queue, settings of a new queue, then key, ms left and id (if the key is a hash) of each. Returns how many are new. */
export const IMPORT_DEDUPE_IDS: Script = QUEUE.denyOom(`
local name = ARGV[1]
local queue = ensure(name, ARGV[2])
local keys, windows, long = {}, {}, {}
for i = 3, #ARGV, 3 do keys[#keys + 1] = ARGV[i] end
local scores = call('ZMSCORE', ns .. 'dedupe:' .. name, unpack(keys))
for i, key in ipairs(keys) do
  if not scores[i] or tonumber(scores[i]) <= now then
    local windowEnd = now + math.ceil(ARGV[3 * i + 1] * 1000)
    push(windows, windowEnd, key)
    if ARGV[3 * i + 2] ~= '' then push(long, key, ARGV[3 * i + 2]) end
    dueBy(queue, windowEnd)
  end
end
if #windows > 0 then call('ZADD', ns .. 'dedupe:' .. name, unpack(windows)) end
if #long > 0 then call('HSET', ns .. 'long-ids:' .. name, unpack(long)) end
save(queue)
return #windows / 2
`);

/** ARGV: topic, dedupe ms, key, envelope, body, Unix ms of sending. Bound queues get no copy: an export has their messages. */
export const IMPORT_EVENT: Script = LOG.denyOom(`
local topic, key = ARGV[1], ARGV[3]
local member = topic .. '\\n' .. key
local log = loadLog()
local id = append(log, topic, key, ARGV[4], ARGV[5], math.min(nowMs, tonumber(ARGV[6])))
local windowEnd = now + tonumber(ARGV[2]) * 1000
call('ZADD', ns .. 'log:dedupe', windowEnd, member)
call('HSET', ns .. 'log:dedupe-ids', member, id)
call('HINCRBY', ns .. 'topics', topic, 1)
saveLog(log)
schedule('\\nlog', windowEnd)
notifySubscribers(topic, id, id)
return 1
`);

const RAISE_REVISION = new Library(`
local function raiseRevision(revision)
  local highest = tonumber(call('HGET', ns .. 'counters', 'revision') or 0)
  if tonumber(revision) > highest then call('HSET', ns .. 'counters', 'revision', revision) end
end
`);

/** ARGV: key, value, revision, revision of creation, time to live in ms or ''. Returns whether it is new. */
export const IMPORT_KV: Script = KV.with(RAISE_REVISION).denyOom(`
raiseRevision(ARGV[3])
if findEntry(ARGV[1]) then return 0 end
local expires = ARGV[5] == '' and 0 or now + math.ceil(ARGV[5] * 1000)
writeEntry(ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), expires)
return 1
`);

/** ARGV: the highest revision of the exported store. */
export const IMPORT_REVISION: Script = RAISE_REVISION.allowOom(
  `
raiseRevision(ARGV[1])
return 0
`,
  { changes: true },
);
