/** Library of the queue scripts: moves messages between their states. The settings and counts: queue-record. */

import { ORDER_GROUPS } from './order-groups.ts';
import { QUEUE_RECORD } from './queue-record.ts';
import { Library } from './script.ts';

const MESSAGE_STATE = `
local function delay(queue, key, due)
  call('ZADD', ns .. 'delayed:' .. queue.name, due, key)
  dueBy(queue, due)
  if firstScore(ns .. 'delayed:' .. queue.name) >= due then queue.isDueEarlier = true end
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
  local p = parse(call('HGET', ns .. 'message:' .. queue.name, key))
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

-- The other keys of messages with the id of a key.
local function aliasesOf(name, key)
  local aliases = {}
  for alias in string.gmatch(call('HGET', ns .. 'aliases:' .. name, key) or '', '%d+') do
    alias = key .. '\\n' .. alias
    if call('HEXISTS', ns .. 'message:' .. name, alias) == 1 then aliases[#aliases + 1] = alias end
  end
  return aliases
end

-- The key, with a sequence number appended if an older message still has it.
local function unusedKey(queue, key)
  if call('HEXISTS', ns .. 'message:' .. queue.name, key) == 0 then return key end
  local sequence = num(nextSequence(queue, 1))
  local known = { sequence }
  for _, alias in ipairs(aliasesOf(queue.name, key)) do known[#known + 1] = string.match(alias, '%d+$') end
  call('HSET', ns .. 'aliases:' .. queue.name, key, table.concat(known, ' '))
  return key .. '\\n' .. sequence
end

-- The keys of ARGV from an index on, with all keys of messages that have the same ids.
local function askedKeys(name, from)
  local keys = {}
  local hasAliases = call('EXISTS', ns .. 'aliases:' .. name) == 1
  for i = from, #ARGV do
    keys[#keys + 1] = ARGV[i]
    if hasAliases then for _, alias in ipairs(aliasesOf(name, ARGV[i])) do keys[#keys + 1] = alias end end
  end
  return keys
end

-- Stores messages given as parallel lists. Without sequences they get new ones.
local function insert(queue, keys, messages, sequences)
  local n = #keys
  if n == 0 then return end
  local name = queue.name
  local base = sequences and 0 or nextSequence(queue, n) - 1
  local messageArgs, readyArgs = {}, {}
  local readyCount = 0
  for i = 1, n do
    local key, message = keys[i], messages[i]
    local sequence = sequences and sequences[i] or base + i
    messageArgs[2 * i - 1], messageArgs[2 * i] = key, message
    local score
    if isPlain(message) then score = 5 * PRIORITY_STEP + sequence
    else score = place(queue, key, message, sequence, i) end
    if score then
      readyCount = readyCount + 1
      readyArgs[2 * readyCount - 1], readyArgs[2 * readyCount] = num(score), key
    end
  end
  call('HSET', ns .. 'message:' .. name, unpack(messageArgs))
  if readyCount > 0 then
    call('ZADD', ns .. 'ready:' .. name, unpack(readyArgs))
    queue.freed = queue.freed + readyCount
  end
end

-- Deletes a message that the caller has removed from its state.
local function deleteMessage(queue, key)
  local name = queue.name
  call('HDEL', ns .. 'message:' .. name, key)
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
  if not text then return nil, nil, 0, '', '' end
  local token, score, expires, claimId, consumer = string.match(text, '^(%d+) (%d+) (%d+) (%S*) (.*)$')
  return token, tonumber(score), tonumber(expires), claimId, consumer
end

local function maxAttempts(queue, key)
  local _, m = parse(call('HGET', ns .. 'message:' .. queue.name, key))
  return m > 0 and m or queue.maxAttempts
end

-- Puts a message back whose lease has ended. Without a delay it returns to its old place.
local function requeue(queue, key, score, expires, delayMs)
  if expires > 0 and expires <= now then expire(queue, key) return end
  if expires > 0 then
    call('ZADD', ns .. 'ttl:' .. queue.name, expires, key)
    dueBy(queue, expires)
  end
  if delayMs > 0 then
    delay(queue, key, now + math.ceil(delayMs * 1000))
  elseif score then
    makeReady(queue, key, score)
  else
    makeReadyLast(queue, key)
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

-- Buries a message that the store lost. It is delivered to no consumer.
local function buryLost(queue, key)
  call('HSET', ns .. 'message:' .. queue.name, key, PLAIN .. '{}\\n')
  countLost('messages of the queue ' .. queue.name)
  bury(queue, key, 0, 'the store lost the body of this message')
end

-- Requeues or buries a message whose lease has expired.
local function rescue(queue, key, lease)
  local _, score, expires, _, consumer = readLease(lease)
  local n = recordAttempt(queue, key, 'expired', '', consumer)
  if n >= maxAttempts(queue, key) then bury(queue, key, expires, 'the lease of the last attempt ended')
  else requeue(queue, key, score, expires, 0) end
end

-- Expires messages, ends delays and rescues messages of expired leases, one step each. Returns whether more may be due.
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

local QUEUE_KEYS = { 'queue', 'message', 'attempts', 'dead-reason', 'ready', 'blocked', 'delayed', 'leased',
  'lease-info', 'dead', 'ttl', 'dedupe', 'aliases', 'long-ids', 'order-member', 'order-groups' }

-- The numbers of queues and bindings, among the counters, show that the store lost some.
local function addBinding(binding, since)
  call('HSET', ns .. 'bindings', binding, since .. ' ' .. num(nextNumber('bindings')))
  call('HINCRBY', ns .. 'counters', 'bound', 1)
end

local function removeBinding(binding)
  if call('HDEL', ns .. 'bindings', binding) == 0 then return false end
  call('HINCRBY', ns .. 'counters', 'bound', -1)
  return true
end

-- Processes that wait for the queue keep waiting.
local function deleteQueue(name)
  local keys = {}
  for i, kind in ipairs(QUEUE_KEYS) do keys[i] = ns .. kind .. ':' .. name end
  call('UNLINK', unpack(keys))
  call('HINCRBY', ns .. 'counters', 'queues', -call('ZREM', ns .. 'queues', name))
  call('ZREM', ns .. 'due', name)
  local patterns = call('HKEYS', ns .. 'bindings:' .. name)
  if #patterns == 0 then return end
  for _, pattern in ipairs(patterns) do
    removeBinding(name .. '\\n' .. pattern)
    call('HDEL', ns .. 'backfills', name .. '\\n' .. pattern)
  end
  call('UNLINK', ns .. 'bindings:' .. name)
  nextNumber('bindings')
end
`;

export const QUEUE: Library = new Library(QUEUE_RECORD, ORDER_GROUPS, MESSAGE_STATE);
