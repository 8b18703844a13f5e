/** The maintenance script: one step of the due work of a namespace. */

import { KV } from './kv.ts';
import { QUEUE } from './queue-state.ts';
import { Library, type Script } from './script.ts';
import { HEADER } from './store-header.ts';

const MAINTAIN_QUEUE = new Library(`
-- Later than everything that is due: the end of the plan.
local FAR = 9000000000000000

-- Deletes dedupe ids whose window is over. An id whose message still exists is kept and checked again later.
local function pruneDedupeIds(queue)
  local set = ns .. 'dedupe:' .. queue.name
  local ended = call('ZRANGE', set, '(0', now, 'BYSCORE', 'LIMIT', 0, 5 * STEP)
  local kept = call('ZRANGE', set, -now, '(0', 'BYSCORE', 'LIMIT', 0, STEP)
  local deleted = {}
  for _, list in ipairs({ ended, kept }) do
    for _, key in ipairs(list) do
      if call('HEXISTS', ns .. 'message:' .. queue.name, key) == 1 or #aliasesOf(queue.name, key) > 0 then
        call('ZADD', set, num(-now - KEEP), key)
      else deleted[#deleted + 1] = key end
    end
  end
  if #deleted > 0 then
    call('ZREM', set, unpack(deleted))
    call('HDEL', ns .. 'aliases:' .. queue.name, unpack(deleted))
    call('HDEL', ns .. 'long-ids:' .. queue.name, unpack(deleted))
  end
  return #ended == 5 * STEP or #kept == STEP
end

local function pruneDeadLetters(queue)
  if queue.deadTtlMs < 0 then return false end
  local set = ns .. 'dead:' .. queue.name
  local old = call('ZRANGE', set, '-inf', now - queue.deadTtlMs * 1000, 'BYSCORE', 'LIMIT', 0, STEP)
  for _, key in ipairs(old) do
    call('ZREM', set, key)
    call('HDEL', ns .. 'dead-reason:' .. queue.name, key)
    deleteMessage(queue, key)
  end
  return #old == STEP
end

local function sizeOf(queue, kind) return call('ZCARD', ns .. kind .. queue.name) end

-- How many messages are in no state.
local function countOrphans(queue)
  local placed = 0
  for _, kind in ipairs({ 'ready:', 'blocked:', 'delayed:', 'leased:', 'dead:' }) do placed = placed + sizeOf(queue, kind) end
  return call('HLEN', ns .. 'message:' .. queue.name) - placed
end

-- Gives a message a state if it has none.
local function adopt(queue, key)
  local name = queue.name
  for _, kind in ipairs({ 'ready:', 'blocked:', 'delayed:', 'leased:', 'dead:' }) do
    if call('ZSCORE', ns .. kind .. name, key) then return end
  end
  local reason, lease = call('HGET', ns .. 'dead-reason:' .. name, key), call('HGET', ns .. 'lease-info:' .. name, key)
  if reason then
    call('ZADD', ns .. 'dead:' .. name, string.match(reason, '^%d+') * 1000, key)
  elseif lease then
    call('HDEL', ns .. 'lease-info:' .. name, key)
    rescue(queue, key, lease)
  else
    makeReadyLast(queue, key)
  end
end

-- Mends what the loss of a key left behind: an operator deleted it, or the server evicted it. Returns whether more follows.
local function repair(queue)
  local name = queue.name
  if call('ZADD', ns .. 'queues', 0, name) == 1 then call('HINCRBY', ns .. 'counters', 'queues', 1) end
  local own = call('HGETALL', ns .. 'bindings:' .. name)
  for i = 1, #own, 2 do
    local binding = name .. '\\n' .. own[i]
    if call('HEXISTS', ns .. 'bindings', binding) == 0 then addBinding(binding, own[i + 1]) end
  end
  local grouped, blocked = call('HLEN', ns .. 'order-member:' .. name), sizeOf(queue, 'blocked:')
  local isMore = false
  if grouped ~= sizeOf(queue, 'order-groups:') or (blocked > 0 and blocked >= grouped) then
    -- Without the groups no message would follow another one.
    call('UNLINK', ns .. 'order-member:' .. name, ns .. 'order-groups:' .. name)
    queue.hasGroups = false
    local free = call('ZPOPMIN', ns .. 'blocked:' .. name, STEP)
    for i = 1, #free, 2 do makeReady(queue, free[i], tonumber(free[i + 1])) end
    isMore = #free == 2 * STEP
  end
  if countOrphans(queue) > 0 then
    local page = call('HSCAN', ns .. 'message:' .. name, call('HGET', ns .. 'queue:' .. name, 'scan') or '0', 'COUNT', STEP)
    call('HSET', ns .. 'queue:' .. name, 'scan', page[1])
    for i = 1, #page[2], 2 do adopt(queue, page[2][i]) end
    isMore = isMore or page[1] ~= '0'
  end
  if sizeOf(queue, 'dedupe:') < call('HLEN', ns .. 'message:' .. name) then
    for _, key in ipairs(call('HKEYS', ns .. 'message:' .. name)) do call('ZADD', ns .. 'dedupe:' .. name, 'NX', num(-now - KEEP), key) end
  end
  return isMore
end

-- Returns false if the store lost bindings or names of queues, and counts them. Clients declare theirs again.
local function checkNumbers()
  local bound, queues = call('HLEN', ns .. 'bindings'), call('ZCARD', ns .. 'queues')
  local known = call('HMGET', ns .. 'counters', 'bound', 'queues')
  local lostBindings, lostQueues = tonumber(known[1] or 0) - bound, tonumber(known[2] or 0) - queues
  if lostBindings == 0 and lostQueues == 0 then return true end
  if lostBindings > 0 then countLost('bindings', lostBindings) end
  if lostQueues > 0 then countLost('names of queues', lostQueues) end
  call('HSET', ns .. 'counters', 'bound', bound, 'queues', queues)
  nextNumber('bindings')
  return false
end

-- Schedules the next maintenance of the queue.
local function planNext(queue)
  local name = queue.name
  for _, kind in ipairs({ 'ttl:', 'delayed:', 'leased:' }) do
    local at = firstScore(ns .. kind .. name)
    if at then dueBy(queue, at) end
  end
  local dead = queue.deadTtlMs >= 0 and firstScore(ns .. 'dead:' .. name)
  if dead then dueBy(queue, dead + queue.deadTtlMs * 1000) end
  if queue.expireIdleMs >= 0 then dueBy(queue, queue.usedAt + queue.expireIdleMs * 1000) end
  local id = call('ZRANGE', ns .. 'dedupe:' .. name, '(0', '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
  if id then dueBy(queue, math.max(tonumber(id), now + 5000000)) end
  if not id and call('EXISTS', ns .. 'dedupe:' .. name) == 1 then dueBy(queue, now + KEEP) end
  if queue.backfills > 0 then dueBy(queue, now + 1000000) end
end

-- Does the due work of a queue. Returns whether more is due now, and whether a backfill is pending.
local function maintainQueue(name, settings)
  local queue = load(name)
  if not queue and call('ZSCORE', ns .. 'queues', name) then queue = ensure(name, settings) end
  if not queue then return false, false end
  if queue.expireIdleMs >= 0 and queue.usedAt + queue.expireIdleMs * 1000 <= now then
    deleteQueue(name)
    return false, false
  end
  local isMore = promoteDue(queue)
  isMore = pruneDeadLetters(queue) or isMore
  isMore = pruneDedupeIds(queue) or isMore
  isMore = repair(queue) or isMore
  wake(name, call('ZCARD', ns .. 'ready:' .. name))
  planNext(queue)
  if isMore then queue.dueAt = now end
  save(queue)
  return isMore, queue.backfills > 0
end
`);

/**
 * ARGV: see readPast, then retention (events, bytes, ms), settings of a queue that lost them, queues that this process waits
 * for. Returns when it noted this process, ms until a key-value entry expires or -1, whether more is due, ms until the next
 * maintenance or -1, how many processes maintain, the past, the queues that do not know that this process waits, the queues with
 * pending backfills, the revision of the gate.
 */
export const MAINTAIN: Script = QUEUE.with(HEADER, KV, MAINTAIN_QUEUE).allowOom(
  `
local process, past, forgotten, backfills = ARGV[1], readPast(), {}, {}
for i = 11, #ARGV do
  if not call('ZSCORE', ns .. 'waiting:' .. ARGV[i], process) then forgotten[#forgotten + 1] = ARGV[i] end
end
-- Another client may have removed the namespace: without data no key is written.
if past[2] == '' then
  call('UNLINK', ns .. 'marks', ns .. 'maintainers')
  return { '', -1, 0, -1, 1, past, forgotten, backfills, num(gate.revision) }
end
-- The clock of a closed namespace stands still: nothing is due.
local isClosed = gate.stopped > 0
local isComplete = isClosed or checkNumbers()
if not isClosed and (not isComplete or not call('ZSCORE', ns .. 'due', '\\nall')) then
  -- The namespace is new, or the store lost the plan.
  for _, name in ipairs(call('ZRANGE', ns .. 'queues', 0, -1)) do schedule(name, now) end
  schedule('\\nkv', now)
  if call('EXISTS', ns .. 'log', ns .. 'log:dedupe', ns .. 'topics') > 0 then schedule('\\nlog', now) end
  call('ZADD', ns .. 'due', FAR, '\\nall')
end
local first = ARGV[11]
-- One run in four looks closer at one queue.
if not isClosed and now % 4 == 0 and first and call('ZSCORE', ns .. 'queues', first) then
  if call('EXISTS', ns .. 'queue:' .. first) == 0 or countOrphans({ name = first }) > 0 then schedule(first, now) end
end
if not isClosed and not isConsistent() then schedule('\\nkv', now) end
local due = isClosed and {} or call('ZRANGE', ns .. 'due', '-inf', now, 'BYSCORE', 'LIMIT', 0, 4)
local out = { '', -1, #due == 4 and 1 or 0, -1, 1, past, forgotten, backfills, num(gate.revision) }
for _, name in ipairs(due) do
  call('ZREM', ns .. 'due', name)
  if name == '\\nkv' then
    repairEntries()
    local nextAt = expireEntries()
    if nextAt and nextAt <= now then out[3] = 1 end
  elseif name == '\\nlog' then
    local log = loadLog()
    countLostEvents(log)
    local isMore = trim(log, tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]))
    saveLog(log)
    isMore = pruneEventIds(STEP) or isMore
    if isMore then
      out[3] = 1
      schedule(name, now)
    elseif call('XLEN', ns .. 'log') > 0 or call('EXISTS', ns .. 'log:dedupe') == 1 then
      schedule(name, now + 5000000)
    end
  else
    local isMore, isBackfilling = maintainQueue(name, ARGV[10])
    if isMore then out[3] = 1 end
    if isBackfilling then backfills[#backfills + 1] = name end
  end
end
local expiry = firstScore(ns .. 'kv:expiry')
if expiry and not isClosed then out[2] = math.max(0, math.ceil((expiry - now) / 1000)) end
local nextDue = firstScore(ns .. 'due')
if nextDue and nextDue < FAR and not isClosed then out[4] = math.max(0, math.ceil((nextDue - now) / 1000)) end
-- Not each time, since each write costs an append-only file that is synchronized.
local noted = tonumber(call('ZSCORE', ns .. 'maintainers', process) or 0)
if noted < clock - 5000000 then
  noted = clock
  call('ZADD', ns .. 'maintainers', clock, process)
  call('ZADD', ns .. 'marks', 'GT', clock, process)
end
out[1] = num(noted)
local gone = call('ZRANGE', ns .. 'maintainers', '-inf', clock - FORGET, 'BYSCORE', 'LIMIT', 0, STEP)
if #gone > 0 then call('ZREM', ns .. 'maintainers', unpack(gone)) end
call('ZREMRANGEBYSCORE', ns .. 'marks', '-inf', num(clock - FORGET))
out[5] = call('ZCOUNT', ns .. 'maintainers', num(clock - 15000000), '+inf')
return out
`,
);
