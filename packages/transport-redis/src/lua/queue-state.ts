/** Library of the queue scripts: loads and saves a queue's record, and moves messages between its states. */

/**
 * The keys of a queue NAME are `KIND:NAME`. Hashes by message key: `body`, `envelope`, `attempts` (ended attempts),
 * `dead-reason`, `lease-info`, `order-member` (the entry in `order-groups`). Sorted sets of message keys, one a state: `ready` (by
 * priority and sequence), `blocked` (likewise, behind an older message of the same ordering key), `delayed` (by due time),
 * `leased` (by end of the lease), `dead` (by time of death). Others: `queue` (settings, counters), `ttl` (by end of life),
 * `dedupe` (by end of the window), `order-groups` (messages by ordering key and sequence), `waiting` (processes), `bindings`.
 */
export const QUEUE = `
-- Scores of ready messages are (9 - priority) * PRIORITY_STEP + sequence.
local PRIORITY_STEP = 562949953421312
local EPOCH = 1735689600000000
local PLAIN = '4 0 - 0 \\n'
-- How often a dedupe id without a window is checked against its message.
local KEEP = 120000000

local function load(name)
  local v = call('HMGET', ns .. 'queue:' .. name, 'leaseMs', 'maxLength', 'maxAttempts', 'dedupeMs', 'expireIdleMs', 'frozen',
    'deadTtlMs', 'sent', 'done', 'dead', 'expired', 'usedAt', 'sequence', 'backfills')
  if not v[1] then return nil end
  return { name = name, leaseMs = tonumber(v[1]), maxLength = tonumber(v[2]), maxAttempts = tonumber(v[3]),
    dedupeMs = tonumber(v[4]), expireIdleMs = tonumber(v[5]), frozen = v[6] == '1', deadTtlMs = tonumber(v[7]),
    sent = tonumber(v[8]), done = tonumber(v[9]), dead = tonumber(v[10]), expired = tonumber(v[11]),
    usedAt = tonumber(v[12]), sequence = tonumber(v[13]), backfills = tonumber(v[14]), freed = 0, dueAt = math.huge }
end

-- Loads a queue, creating it if needed. The second result is true for a new queue.
local function ensure(name, settings)
  local queue = load(name)
  if queue then return queue, false end
  local s = cjson.decode(settings)
  call('HSET', ns .. 'queue:' .. name, 'leaseMs', s.leaseMs, 'maxLength', s.maxLength, 'maxAttempts', s.maxAttempts,
    'dedupeMs', s.dedupeMs, 'expireIdleMs', s.expireIdleMs, 'frozen', s.frozen, 'deadTtlMs', s.deadTtlMs,
    'sent', 0, 'done', 0, 'dead', 0, 'expired', 0, 'usedAt', now, 'sequence', 0, 'backfills', 0)
  call('ZADD', ns .. 'queues', 0, name)
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
  local first = math.floor((now - EPOCH) / 4)
  if first <= queue.sequence then first = queue.sequence + 1 end
  queue.sequence = first + n - 1
  return first
end

-- priority, max attempts (0: the queue's), time to live in ms or nil, delay in ms, ordering key or ''
local function parse(envelope)
  if string.sub(envelope, 1, 9) == PLAIN then return 4, 0, nil, 0, '' end
  local p, m, ttl, delay, orderingKey = string.match(envelope, '^(%d) (%d+) (%S+) (%S+) ([^\\n]*)\\n')
  return tonumber(p), tonumber(m), tonumber(ttl), tonumber(delay), orderingKey
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

local function delay(queue, key, due)
  call('ZADD', ns .. 'delayed:' .. queue.name, due, key)
  dueBy(queue, due)
  if firstScore(ns .. 'delayed:' .. queue.name) >= due then queue.isDueEarlier = true end
end

local function hasGroups(queue)
  if queue.hasGroups == nil then queue.hasGroups = call('EXISTS', ns .. 'order-groups:' .. queue.name) == 1 end
  return queue.hasGroups
end

local function firstOfGroup(name, orderingKey)
  local range = { '[' .. orderingKey .. '\\n', '(' .. orderingKey .. '\\n\\255' }
  return call('ZRANGE', ns .. 'order-groups:' .. name, range[1], range[2], 'BYLEX', 'LIMIT', 0, 1)[1]
end

-- Returns whether the message is the first of its ordering key.
local function appendToGroup(queue, key, orderingKey, sequence)
  local member = orderingKey .. '\\n' .. string.format('%016.0f', sequence) .. '\\n' .. key
  call('ZADD', ns .. 'order-groups:' .. queue.name, 0, member)
  call('HSET', ns .. 'order-member:' .. queue.name, key, member)
  queue.hasGroups = true
  return firstOfGroup(queue.name, orderingKey) == member
end

local function isFirstOfGroup(queue, key)
  local member = call('HGET', ns .. 'order-member:' .. queue.name, key)
  if not member then return true end
  return firstOfGroup(queue.name, string.match(member, '^([^\\n]*)\\n')) == member
end

-- Removes a message from its group; the next message of the group becomes ready.
local function removeFromGroup(queue, key)
  if not hasGroups(queue) then return end
  local name = queue.name
  local member = call('HGET', ns .. 'order-member:' .. name, key)
  if not member then return end
  call('HDEL', ns .. 'order-member:' .. name, key)
  call('ZREM', ns .. 'order-groups:' .. name, member)
  local following = firstOfGroup(name, string.match(member, '^([^\\n]*)\\n'))
  if not following then return end
  local nextKey = string.match(following, '^[^\\n]*\\n%d+\\n(.*)$')
  local score = call('ZSCORE', ns .. 'blocked:' .. name, nextKey)
  if not score then return end
  call('ZREM', ns .. 'blocked:' .. name, nextKey)
  call('ZADD', ns .. 'ready:' .. name, score, nextKey)
  queue.freed = queue.freed + 1
end

local function makeReady(queue, key, score)
  if hasGroups(queue) and not isFirstOfGroup(queue, key) then
    call('ZADD', ns .. 'blocked:' .. queue.name, score, key)
    return
  end
  call('ZADD', ns .. 'ready:' .. queue.name, score, key)
  queue.freed = queue.freed + 1
end

-- Makes a message ready behind all others of its priority.
local function makeReadyLast(queue, key)
  local p = parse(call('HGET', ns .. 'envelope:' .. queue.name, key))
  makeReady(queue, key, (9 - p) * PRIORITY_STEP + nextSequence(queue, 1))
end

-- Delays or blocks a new message as its envelope says, or returns its score among the ready messages.
local function place(queue, key, envelope, sequence, index, delayMs)
  local name = queue.name
  local p, _, ttl, ownDelayMs, orderingKey = parse(envelope)
  delayMs = delayMs or ownDelayMs
  local score = (9 - p) * PRIORITY_STEP + sequence
  if ttl then
    local ends = now + math.ceil(ttl * 1000)
    call('ZADD', ns .. 'ttl:' .. name, ends, key)
    dueBy(queue, ends)
  end
  local isFirst = orderingKey == '' or appendToGroup(queue, key, orderingKey, sequence)
  if delayMs > 0 then
    delay(queue, key, now + math.ceil(delayMs * 1000) + index)
    return nil
  end
  if isFirst then return score end
  call('ZADD', ns .. 'blocked:' .. name, score, key)
  return nil
end

-- The key, with a sequence number appended if an older message still has it.
local function unusedKey(queue, key)
  if call('HEXISTS', ns .. 'body:' .. queue.name, key) == 0 then return key end
  return key .. '\\n' .. num(nextSequence(queue, 1))
end

-- Stores messages given as parallel lists. Without sequences they get new ones.
local function insert(queue, keys, envelopes, bodies, sequences)
  local n = #keys
  if n == 0 then return end
  local name = queue.name
  local base = sequences and 0 or nextSequence(queue, n) - 1
  local envelopeArgs, bodyArgs, readyArgs = {}, {}, {}
  for i = 1, n do
    local key, envelope = keys[i], envelopes[i]
    local sequence = sequences and sequences[i] or base + i
    envelopeArgs[#envelopeArgs + 1] = key
    envelopeArgs[#envelopeArgs + 1] = envelope
    bodyArgs[#bodyArgs + 1] = key
    bodyArgs[#bodyArgs + 1] = bodies[i]
    local score
    if string.sub(envelope, 1, 9) == PLAIN then score = 5 * PRIORITY_STEP + sequence
    else score = place(queue, key, envelope, sequence, i) end
    if score then
      readyArgs[#readyArgs + 1] = score
      readyArgs[#readyArgs + 1] = key
    end
  end
  call('HSET', ns .. 'envelope:' .. name, unpack(envelopeArgs))
  call('HSET', ns .. 'body:' .. name, unpack(bodyArgs))
  if #readyArgs > 0 then
    call('ZADD', ns .. 'ready:' .. name, unpack(readyArgs))
    queue.freed = queue.freed + #readyArgs / 2
  end
end

-- Deletes a message that the caller has removed from its state.
local function deleteMessage(queue, key)
  local name = queue.name
  call('HDEL', ns .. 'envelope:' .. name, key)
  call('HDEL', ns .. 'body:' .. name, key)
  call('HDEL', ns .. 'attempts:' .. name, key)
  removeFromGroup(queue, key)
end

local function expire(queue, key)
  queue.expired = queue.expired + 1
  deleteMessage(queue, key)
end

local function attemptCount(attempts)
  return attempts and tonumber(string.match(attempts, '^%d+')) or 0
end

-- Adds an ended attempt to the history, which keeps the last 20. Returns the number of ended attempts.
local function recordAttempt(queue, key, outcome, reason, consumer)
  local hash = ns .. 'attempts:' .. queue.name
  local attempts = call('HGET', hash, key)
  local n = attemptCount(attempts) + 1
  local record = { attempt = n, endedAt = nowMs, outcome = outcome }
  if reason ~= '' then record.reason = reason end
  if consumer ~= '' then record.consumer = consumer end
  local lines = {}
  if attempts then
    for line in string.gmatch(string.match(attempts, '^%d+\\n?(.*)$'), '[^\\n]+') do lines[#lines + 1] = line end
  end
  while #lines >= 20 do table.remove(lines, 1) end
  lines[#lines + 1] = cjson.encode(record)
  call('HSET', hash, key, n .. '\\n' .. table.concat(lines, '\\n'))
  return n
end

-- token, score, end of life (0: none), claim id, consumer
local function readLease(text)
  local token, score, expires, claimId, consumer = string.match(text, '^(%d+) (%d+) (%d+) (%S*) (.*)$')
  return token, tonumber(score), tonumber(expires), claimId, consumer
end

local function maxAttempts(queue, key)
  local _, m = parse(call('HGET', ns .. 'envelope:' .. queue.name, key))
  return m > 0 and m or queue.maxAttempts
end

-- Puts a message back whose lease has ended, at its old place if there is no delay.
local function requeue(queue, key, score, expires, delayMs)
  if expires > 0 and expires <= now then expire(queue, key) return end
  if expires > 0 then
    call('ZADD', ns .. 'ttl:' .. queue.name, expires, key)
    dueBy(queue, expires)
  end
  if delayMs > 0 then
    delay(queue, key, now + math.ceil(delayMs * 1000))
  else
    makeReady(queue, key, score)
  end
end

-- Makes a message a dead letter.
local function bury(queue, key, expires, reason)
  if expires > 0 and expires <= now then expire(queue, key) return end
  local name = queue.name
  local at = now
  local last = tonumber(call('ZRANGE', ns .. 'dead:' .. name, -1, -1, 'WITHSCORES')[2])
  if last and last >= at then at = last + 1 end
  call('ZADD', ns .. 'dead:' .. name, at, key)
  call('HSET', ns .. 'dead-reason:' .. name, key, nowMs .. ' ' .. reason)
  queue.dead = queue.dead + 1
  if queue.deadTtlMs >= 0 then dueBy(queue, at + queue.deadTtlMs * 1000) end
  removeFromGroup(queue, key)
end

-- Requeues or buries a message whose lease has expired.
local function rescue(queue, key, lease)
  local _, score, expires, _, consumer = readLease(lease)
  local n = recordAttempt(queue, key, 'expired', '', consumer)
  if n >= maxAttempts(queue, key) then bury(queue, key, expires, 'the lease of the last attempt ended')
  else requeue(queue, key, score, expires, 0) end
end

-- Applies what is due: messages that expire, delays that end, leases that expire. Returns whether more may be due.
local function promoteDue(queue)
  local name = queue.name
  local expired = call('ZRANGE', ns .. 'ttl:' .. name, '-inf', now, 'BYSCORE', 'LIMIT', 0, STEP)
  for _, key in ipairs(expired) do
    for _, kind in ipairs({ 'ttl:', 'ready:', 'delayed:', 'blocked:' }) do call('ZREM', ns .. kind .. name, key) end
    expire(queue, key)
  end
  local delayed = call('ZRANGE', ns .. 'delayed:' .. name, '-inf', now, 'BYSCORE', 'LIMIT', 0, STEP)
  for _, key in ipairs(delayed) do
    call('ZREM', ns .. 'delayed:' .. name, key)
    makeReadyLast(queue, key)
  end
  local leased = call('ZRANGE', ns .. 'leased:' .. name, '-inf', now, 'BYSCORE', 'LIMIT', 0, STEP)
  for _, key in ipairs(leased) do
    local lease = call('HGET', ns .. 'lease-info:' .. name, key)
    call('ZREM', ns .. 'leased:' .. name, key)
    call('HDEL', ns .. 'lease-info:' .. name, key)
    rescue(queue, key, lease)
  end
  return #expired == STEP or #delayed == STEP or #leased == STEP
end

-- Loads a queue for reading, with up to ten steps of due work applied.
local function loadCurrent(name)
  local queue = load(name)
  if not queue then return nil end
  for _ = 1, 10 do if not promoteDue(queue) then break end end
  saveAndWake(queue)
  return queue
end

local QUEUE_KEYS = { 'queue', 'body', 'envelope', 'attempts', 'dead-reason', 'ready', 'blocked', 'delayed', 'leased',
  'lease-info', 'dead', 'ttl', 'dedupe', 'order-member', 'order-groups' }

-- Processes that wait for the queue keep waiting.
local function deleteQueue(name)
  local keys = {}
  for i, kind in ipairs(QUEUE_KEYS) do keys[i] = ns .. kind .. ':' .. name end
  call('UNLINK', unpack(keys))
  call('ZREM', ns .. 'queues', name)
  call('ZREM', ns .. 'due', name)
  local patterns = call('HKEYS', ns .. 'bindings:' .. name)
  if #patterns == 0 then return end
  for _, pattern in ipairs(patterns) do
    call('HDEL', ns .. 'bindings', name .. '\\n' .. pattern)
    call('HDEL', ns .. 'backfills', name .. '\\n' .. pattern)
  end
  call('UNLINK', ns .. 'bindings:' .. name)
  nextNumber('bindings')
end
`;
