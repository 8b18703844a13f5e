/** Bindings: the library that delivers events to bound queues, and the scripts of bindings and backfill. */

import { LOG } from './event-log.ts';
import { QUEUE } from './queue-state.ts';
import { BASE, Library, type Script } from './script.ts';

export const DELIVER: Library = new Library(`
-- Copies events into a bound queue.
local function deliver(queue, keys, envelopes, bodies, sequences)
  local own, messages, ids, given, places = {}, {}, {}, {}, sequences and {}
  local function flush()
    insert(queue, own, messages, places)
    own, messages, given, places = {}, {}, {}, sequences and {}
  end
  for i, key in ipairs(keys) do
    -- Events of several topics can have one id.
    if given[key] then flush() end
    given[key] = true
    push(own, unusedKey(queue, key))
    push(messages, envelopes[i] .. '\\n' .. bodies[i])
    if sequences then push(places, sequences[i]) end
    push(ids, num(-now - KEEP), key)
    rememberId(queue, key, envelopes[i])
  end
  flush()
  -- A known id keeps a later send from overwriting the message. Its negative score opens no dedupe window.
  call('ZADD', ns .. 'dedupe:' .. queue.name, 'NX', unpack(ids))
  dueBy(queue, now + KEEP)
  queue.sent = queue.sent + #keys
end
`);

/** Returns the version, then field (queue, pattern) and value (id it begins after, number) of each binding. */
export const LIST_BINDINGS: Script = BASE.allowOom(`
local all = call('HGETALL', ns .. 'bindings')
table.insert(all, 1, call('HGET', ns .. 'counters', 'bindings') or '0')
return all
`);

/**
 * ARGV: queue, pattern, settings of a new queue, id to begin after ('' for now). Returns 0 for a known binding, 1 for a
 * new one, 2 for a new one with a pending backfill.
 */
export const BIND: Script = QUEUE.with(LOG).denyOom(`
local name, pattern = ARGV[1], ARGV[2]
local queue = ensure(name, ARGV[3])
local binding = name .. '\\n' .. pattern
local known = call('HGET', ns .. 'bindings', binding)
if known then
  -- The store may have lost this key only.
  call('HSETNX', ns .. 'bindings:' .. name, pattern, string.match(known, '^%S+'))
  save(queue)
  return 0
end
local last = lastId(loadLog())
local since = ARGV[4] == '' and last or ARGV[4]
addBinding(binding, since)
call('HSET', ns .. 'bindings:' .. name, pattern, since)
local isPending = isBefore(since, last)
if isPending then
  -- The events come behind the messages that are in the queue, and before those that follow.
  local first = nextSequence(queue, call('XLEN', ns .. 'log'))
  call('HSET', ns .. 'backfills', binding, since .. ' ' .. last .. ' ' .. num(first))
  queue.backfills = queue.backfills + 1
  dueBy(queue, now + 1000000)
end
save(queue)
return isPending and 2 or 1
`);

/** ARGV: queue, pattern, '1' to drop a pending backfill. Returns 2 if there is one and it was not dropped. */
export const UNBIND: Script = QUEUE.allowOom(
  `
local name, pattern = ARGV[1], ARGV[2]
local binding = name .. '\\n' .. pattern
if ARGV[3] == '' and call('HEXISTS', ns .. 'backfills', binding) == 1 then return 2 end
if not removeBinding(binding) then return 0 end
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
  { changes: true },
);

/** ARGV: queue. Returns pattern and range (next id, last id, next sequence) of each pending backfill. */
export const PENDING_BACKFILLS: Script = QUEUE.allowOom(`
local all = {}
for _, pattern in ipairs(call('HKEYS', ns .. 'bindings:' .. ARGV[1])) do
  local range = call('HGET', ns .. 'backfills', ARGV[1] .. '\\n' .. pattern)
  if range then
    push(all, pattern, range)
  end
end
local queue = #all == 0 and load(ARGV[1])
if queue and queue.backfills > 0 then
  -- The store lost the ranges.
  queue.backfills = 0
  countLost('backfills of the queue ' .. queue.name)
  saveAndWake(queue)
end
return all
`);

/**
 * ARGV: queue, pattern, range of this step, range that remains, whether this is the last step, ids of the events to copy.
 * Changes nothing if another process has done the step.
 */
export const BACKFILL: Script = QUEUE.with(LOG, DELIVER).denyOom(
  `
local name, binding = ARGV[1], ARGV[1] .. '\\n' .. ARGV[2]
local queue = load(name)
if not queue or call('HGET', ns .. 'backfills', binding) ~= ARGV[3] then return 0 end
local first = tonumber(string.match(ARGV[3], '%d+$'))
local keys, envelopes, bodies, sequences = {}, {}, {}, {}
for i = 6, #ARGV do
  local event = call('XRANGE', ns .. 'log', ARGV[i], ARGV[i])[1]
  if event then
    local f = event[2]
    local ms = split(event[1])
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
      sequences[#sequences + 1] = first + #sequences
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
  { changes: false },
);
