/** Library: loads, creates and saves the record of a queue, and wakes waiting processes. The messages: queue-state. */

/**
 * The keys of a queue are `KIND:NAME`.
 *
 * - `queue`: its settings and counters.
 * - `message` (envelope, line end, body), `attempts` (ended ones), `dead-reason`, `lease-info`: hashes by message key.
 * - `ready`, `blocked`, `delayed`, `leased`, `dead`: the message keys in each state. A blocked message has its turn after an
 *   older one of the same ordering key. Scores: priority and sequence, or the time when it is due, expires or died.
 * - `ttl`: message keys by end of life. `dedupe`: message keys by end of the window. `aliases`: the sequence numbers in other
 *   keys of messages with the same id, which were sent after the window while an older message still had the key. `long-ids`: the ids of keys that are hashes.
 * - `order-groups`: messages by ordering key and sequence; `order-member`: the entry of each message in it.
 * - `bindings`: patterns. `waiting`: processes that wait for messages.
 */
export const QUEUE_RECORD = `
-- Scores of ready messages are (9 - priority) * PRIORITY_STEP + sequence.
local PRIORITY_STEP = 562949953421312
local EPOCH = 1735689600000000
local PLAIN = '4 0 - 0 \\n'

-- These functions take an envelope, alone or with the body behind it. A brief one is a letter and the time of sending.
local function isBrief(envelope)
  return (string.byte(envelope) or 0) > 57
end

-- Without options.
local function isPlain(envelope)
  return isBrief(envelope) or string.sub(envelope, 1, 9) == PLAIN
end

-- The fields of an envelope that is not brief.
local function fieldsOf(envelope)
  return cjson.decode(string.match(envelope, '\\n([^\\n]*)'))
end

-- Unix ms; nil if the store lost it.
local function sentAtOf(envelope)
  if isBrief(envelope) then return tonumber(string.match(envelope, '^.(%w*)'), 36) end
  return fieldsOf(envelope).sentAt
end

-- Nil of a message that was sent.
local function topicOf(envelope)
  return not isBrief(envelope) and fieldsOf(envelope).topic or nil
end

-- How often a dedupe id without a window is checked against its message.
local KEEP = 120000000

local function load(name)
  local v = call('HMGET', ns .. 'queue:' .. name, 'leaseMs', 'maxLength', 'maxAttempts', 'dedupeMs', 'expireIdleMs', 'frozen',
    'deadTtlMs', 'sent', 'done', 'dead', 'expired', 'usedAt', 'sequence', 'backfills', 'paused')
  if not v[1] then return nil end
  return { name = name, leaseMs = tonumber(v[1]), maxLength = tonumber(v[2]), maxAttempts = tonumber(v[3]),
    dedupeMs = tonumber(v[4]), expireIdleMs = tonumber(v[5]), frozen = v[6] == '1', paused = v[15] == '1', deadTtlMs = tonumber(v[7]),
    sent = tonumber(v[8]), done = tonumber(v[9]), dead = tonumber(v[10]), expired = tonumber(v[11]),
    usedAt = tonumber(v[12]), sequence = tonumber(v[13]), backfills = tonumber(v[14]), freed = 0, dueAt = math.huge }
end

-- Counts what the store no longer has: an operator deleted a key, or the server evicted it. Each client reports it once.
local function countLost(what, count)
  call('HINCRBY', ns .. 'lost', what, count or 1)
end

-- Loads a queue, creating it if needed. The second result is true for a new queue.
local function ensure(name, settings)
  local queue = load(name)
  if queue then return queue, false end
  local s = cjson.decode(settings)
  call('HSET', ns .. 'queue:' .. name, 'leaseMs', s.leaseMs, 'maxLength', s.maxLength, 'maxAttempts', s.maxAttempts,
    'dedupeMs', s.dedupeMs, 'expireIdleMs', s.expireIdleMs, 'frozen', s.frozen, 'paused', s.paused, 'deadTtlMs', s.deadTtlMs,
    'sent', s.sent or 0, 'done', s.done or 0, 'dead', s.dead or 0, 'expired', s.expired or 0,
    'usedAt', now, 'sequence', 0, 'backfills', 0)
  if call('ZADD', ns .. 'queues', 0, name) == 0 then countLost('settings of the queue ' .. name)
  else call('HINCRBY', ns .. 'counters', 'queues', 1) end
  queue = load(name)
  if queue.expireIdleMs >= 0 then queue.dueAt = now + queue.expireIdleMs * 1000 end
  return queue, true
end

-- Maintenance of the queue is due at this time at the latest.
local function dueBy(queue, at)
  if at < queue.dueAt then queue.dueAt = at end
end

-- The first of n new sequence numbers: units of 4 us since 2025, so none is given twice, even after the queue was deleted.
local function nextSequence(queue, n)
  local first = math.floor((clock - EPOCH) / 4)
  if first <= queue.sequence then first = queue.sequence + 1 end
  queue.sequence = first + n - 1
  return first
end

-- priority, max attempts (0: the queue's), time to live in ms or nil, delay in ms, ordering key or ''
local function parse(envelope)
  if not envelope or isPlain(envelope) then return 4, 0, nil, 0, '' end
  local p, m, ttl, delay, orderingKey = string.match(envelope, '^(%d) (%d+) (%S+) (%S+) ([^\\n]*)\\n')
  return tonumber(p), tonumber(m), tonumber(ttl), tonumber(delay), orderingKey
end

-- An export needs the id of a key that is a hash.
local function rememberId(queue, key, envelope)
  if string.byte(key) ~= 10 then return end
  call('HSET', ns .. 'long-ids:' .. queue.name, key, fieldsOf(envelope).id)
end

-- Wakes up to n waiting processes. SPUBLISH shows which ones are gone; those are skipped.
local function wake(name, n)
  local woken = 0
  for _ = 1, 100 do
    if woken >= n then break end
    local process = call('ZPOPMIN', ns .. 'waiting:' .. name)[1]
    if not process then break end
    if call('SPUBLISH', ns .. 'wakeup:' .. process, name) > 0 then woken = woken + 1 end
  end
  -- Maintenance wakes another process if this one does not claim within a second.
  if woken > 0 then schedule(name, now + 1000000) end
end

local function save(queue)
  call('HSET', ns .. 'queue:' .. queue.name, 'sent', queue.sent, 'done', queue.done, 'dead', queue.dead,
    'expired', queue.expired, 'usedAt', queue.usedAt, 'sequence', queue.sequence, 'backfills', queue.backfills)
  if queue.dueAt < math.huge then schedule(queue.name, queue.dueAt) end
  -- A waiting process must learn of an earlier due time.
  if queue.isDueEarlier then wake(queue.name, 1) end
end

local function saveAndWake(queue)
  save(queue)
  if queue.freed > 0 then wake(queue.name, queue.freed) end
end
`;
