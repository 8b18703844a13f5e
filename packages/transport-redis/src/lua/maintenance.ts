/** The maintenance script: one step of the due work of a namespace. */

import { LOG } from './event-log.ts';
import { KV } from './kv.ts';
import { QUEUE } from './queue-state.ts';
import { Library, type Script } from './script.ts';
import { HEADER } from './store-header.ts';

const MAINTAIN_QUEUE = new Library(`
-- Deletes dedupe ids whose window is over. An id whose message still exists is kept and checked again later.
local function pruneDedupeIds(queue)
  local set = ns .. 'dedupe:' .. queue.name
  local ended = call('ZRANGE', set, '(0', now, 'BYSCORE', 'LIMIT', 0, 5 * STEP)
  local kept = call('ZRANGE', set, -now, '(0', 'BYSCORE', 'LIMIT', 0, STEP)
  local deleted = {}
  for _, list in ipairs({ ended, kept }) do
    for _, key in ipairs(list) do
      if call('HEXISTS', ns .. 'body:' .. queue.name, key) == 1 then call('ZADD', set, num(-now - KEEP), key)
      else deleted[#deleted + 1] = key end
    end
  end
  if #deleted > 0 then call('ZREM', set, unpack(deleted)) end
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
local function maintainQueue(name)
  local queue = load(name)
  if not queue then return false, false end
  if queue.expireIdleMs >= 0 and queue.usedAt + queue.expireIdleMs * 1000 <= now then
    deleteQueue(name)
    return false, false
  end
  local isMore = promoteDue(queue)
  isMore = pruneDeadLetters(queue) or isMore
  isMore = pruneDedupeIds(queue) or isMore
  wake(name, call('ZCARD', ns .. 'ready:' .. name))
  planNext(queue)
  if isMore then queue.dueAt = now end
  save(queue)
  return isMore, queue.backfills > 0
end
`);

/**
 * ARGV: retention (events, bytes, ms), process, then what a new store header takes. Returns ms until a key-value entry
 * expires or -1, whether more is due, the last id of the log, ms until the next maintenance or -1, how many processes
 * maintain, then the queues with pending backfills.
 */
export const MAINTAIN: Script = QUEUE.with(LOG, KV, HEADER, MAINTAIN_QUEUE).allowOom(`
-- Another client may have removed the namespace. The header returns with the first data, and without data no key is written.
if call('HEXISTS', ns .. 'header', 'format') == 0 then
  if call('EXISTS', ns .. 'queues', ns .. 'kv:keys', ns .. 'log') == 0 then return { -1, 0, '0-0', -1, 1 } end
  writeHeader(ARGV[5], ARGV[6], ARGV[7], ARGV[8])
end
local due = call('ZRANGE', ns .. 'due', '-inf', now, 'BYSCORE', 'LIMIT', 0, 4)
local out = { -1, #due == 4 and 1 or 0, lastId(loadLog()), -1, 1 }
for _, name in ipairs(due) do
  call('ZREM', ns .. 'due', name)
  if name == '\\nkv' then
    local nextAt = expireEntries()
    if nextAt and nextAt <= now then out[2] = 1 end
  elseif name == '\\nlog' then
    local log = loadLog()
    local isMore = trim(log, tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
    saveLog(log)
    isMore = pruneEventIds(STEP) or isMore
    if isMore then
      out[2] = 1
      schedule(name, now)
    elseif call('XLEN', ns .. 'log') > 0 or call('EXISTS', ns .. 'log:dedupe') == 1 then
      schedule(name, now + 5000000)
    end
  else
    local isMore, isBackfilling = maintainQueue(name)
    if isMore then out[2] = 1 end
    if isBackfilling then out[#out + 1] = name end
  end
end
local expiry = firstScore(ns .. 'kv:expiry')
if expiry then out[1] = math.max(0, math.ceil((expiry - now) / 1000)) end
local nextDue = firstScore(ns .. 'due')
if nextDue then out[4] = math.max(0, math.ceil((nextDue - now) / 1000)) end
call('ZADD', ns .. 'maintainers', now, ARGV[4])
call('ZREMRANGEBYSCORE', ns .. 'maintainers', '-inf', now - 10000000)
out[5] = call('ZCARD', ns .. 'maintainers')
return out
`);
