/** Scripts of the queue operations: send, claim, settle, configure. Their libraries are queue-record and queue-state. */

import { KV } from './kv.ts';
import { QUEUE } from './queue-state.ts';
import type { Script } from './script.ts';

/** ARGV: queue, whether to create it, settings of a new queue, then key and message of each. */
export const SEND: Script = QUEUE.denyOom(`
local name = ARGV[1]
local queue
if ARGV[2] == '1' then queue = ensure(name, ARGV[3]) else queue = load(name) end
if not queue then return 'absent' end
if queue.frozen then return 'frozen' end
queue.usedAt = now
local n = (#ARGV - 3) / 2
local asked = {}
for i = 1, n do asked[i] = ARGV[2 * i + 2] end
local known = call('ZMSCORE', ns .. 'dedupe:' .. name, unpack(asked))
local held = call('HLEN', ns .. 'message:' .. name)
local room = queue.maxLength - held + call('ZCARD', ns .. 'dead:' .. name)
-- Each message has its id there, unless the store lost the key.
local isDedupeLost = call('ZCARD', ns .. 'dedupe:' .. name) < held
if isDedupeLost then dueBy(queue, now) end
local seen, keys, messages, ids, results = {}, {}, {}, {}, {}
local count = 0
local windowEnd = now + queue.dedupeMs * 1000
local windowEndText = num(windowEnd)
for i = 1, n do
  local key = asked[i]
  local score = known[i] and tonumber(known[i])
  if seen[key] or (score and score > now) then
    results[i] = 'd'
  elseif count >= room then
    results[i] = 'f'
  else
    seen[key] = true
    count = count + 1
    ids[2 * count - 1], ids[2 * count] = windowEndText, key
    rememberId(queue, key, ARGV[2 * i + 3])
    -- The window of the id is over, but its message may still exist.
    keys[count] = (score or isDedupeLost) and unusedKey(queue, key) or key
    messages[count] = ARGV[2 * i + 3]
    results[i] = 's'
  end
end
if count > 0 then
  call('ZADD', ns .. 'dedupe:' .. name, unpack(ids))
  dueBy(queue, windowEnd)
  insert(queue, keys, messages)
  queue.sent = queue.sent + count
end
saveAndWake(queue)
return table.concat(results)
`);

/**
 * ARGV: queue, max, consumer, process (registered as waiting unless empty), claim id. Returns lease ms, ms to the next due
 * message or -1, expireIdleMs, pending backfills, messages left, the heads, then the message of each delivery. The heads have four
 * values for each delivery, with NUL between: key, token, attempt, microseconds to live or ''.
 */
export const CLAIM: Script = QUEUE.allowOom(
  `
local name, max, consumer, process, claimId = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local function registerWaiting()
  if process == '' then return end
  call('ZADD', ns .. 'waiting:' .. name, clock, process)
  call('PEXPIRE', ns .. 'waiting:' .. name, 600000)
  call('ZADD', ns .. 'waiting-queues', clock, name)
  call('ZREMRANGEBYSCORE', ns .. 'waiting-queues', '-inf', num(clock - 600000000))
  call('PEXPIRE', ns .. 'waiting-queues', 600000)
end
-- While the gate is draining, no queue has a message.
local queue = gate.state == 'open' and load(name)
if not queue then
  registerWaiting()
  return { 0, -1, -1, 0, 0, '' }
end
queue.usedAt = now
promoteDue(queue)
local leaseUs = queue.leaseMs * 1000
local out, heads = { 0, 0, 0, 0, 0, '' }, {}
local taken, lost, bytes, size = 0, 0, 0, 4
local hasAttempts = call('EXISTS', ns .. 'attempts:' .. name) == 1
local leaseTail = ' ' .. claimId .. ' ' .. consumer
-- Backfilled events precede the messages in the queue.
if queue.backfills > 0 or queue.paused then max = 0 end
while taken < max and bytes < 4194304 and lost < STEP do
  local popped = call('ZPOPMIN', ns .. 'ready:' .. name, math.min(size, max - taken))
  local n = #popped / 2
  if n == 0 then break end
  size = math.min(size * 16, 128)
  local keys = {}
  for i = 1, n do keys[i] = popped[2 * i - 1] end
  local messages = call('HMGET', ns .. 'message:' .. name, unpack(keys))
  local attempts = hasAttempts and call('HMGET', ns .. 'attempts:' .. name, unpack(keys)) or {}
  local token = nextSequence(queue, n) - 1
  local leased, leases, before = {}, {}, taken
  for i = 1, n do
    local key, message = keys[i], messages[i]
    local _, m, ttl = parse(message)
    local ended = attemptCount(attempts[i])
    local expires = 0
    if ttl then
      expires = tonumber(call('ZSCORE', ns .. 'ttl:' .. name, key) or 0)
      call('ZREM', ns .. 'ttl:' .. name, key)
    end
    if expires > 0 and expires <= now then
      expire(queue, key)
    elseif not message then
      lost = lost + 1
      buryLost(queue, key)
    elseif ended >= (m > 0 and m or queue.maxAttempts) then
      bury(queue, key, expires, 'attempts used up')
    else
      taken = taken + 1
      bytes = bytes + #message
      local own, to, head = num(token + i), 2 * (taken - before), 4 * taken
      leased[to - 1], leased[to] = num(now + leaseUs + taken), key
      leases[to - 1] = key
      leases[to] = own .. ' ' .. popped[2 * i] .. ' ' .. (expires > 0 and num(expires) or '0') .. leaseTail
      heads[head - 3], heads[head - 2], heads[head - 1] = key, own, ended + 1
      heads[head] = expires > 0 and num(expires - now) or ''
      out[6 + taken] = message
    end
  end
  if #leased > 0 then
    call('ZADD', ns .. 'leased:' .. name, unpack(leased))
    call('HSET', ns .. 'lease-info:' .. name, unpack(leases))
  end
end
if taken > 0 then
  dueBy(queue, now + leaseUs + 1)
  -- A short lease may expire before maintenance runs, so a waiting process must plan for it.
  if queue.leaseMs < 2000 then queue.isDueEarlier = true end
end
local left = queue.paused and 0 or call('ZCARD', ns .. 'ready:' .. name)
local nextDueMs = -1
if queue.backfills > 0 or queue.paused or (taken < max and left == 0) then
  registerWaiting()
  local due = math.min(firstScore(ns .. 'delayed:' .. name) or math.huge, firstScore(ns .. 'leased:' .. name) or math.huge)
  if due < math.huge then nextDueMs = math.max(0, math.ceil((due - now) / 1000)) end
elseif left > 0 then
  wake(name, left)
end
save(queue)
out[1], out[2], out[3], out[4] = queue.leaseMs, nextDueMs, queue.expireIdleMs, queue.backfills
out[5] = queue.backfills > 0 and 0 or left
out[6] = table.concat(heads, '\\0')
return out
`,
  { changes: true },
);

const SETTLE_ALL = `
local name = ARGV[1]
local queue = load(name)
local n = (#ARGV - 1) / WIDTH
local results = {}
if not queue then
  for i = 1, n do results[i] = 'l' end
  return { table.concat(results), 0 }
end
local keys = {}
for i = 1, n do keys[i] = ARGV[WIDTH * (i - 1) + 2] end
local leases = call('HMGET', ns .. 'lease-info:' .. name, unpack(keys))
-- While no lease has ended and each has its end, none needs to be looked up.
local areHeld = (firstScore(ns .. 'leased:' .. name) or 0) > now
  and call('ZCARD', ns .. 'leased:' .. name) == call('HLEN', ns .. 'lease-info:' .. name)
local ends = not areHeld and call('ZMSCORE', ns .. 'leased:' .. name, unpack(keys))
local settled, acked, isSettled = {}, {}, {}
local ackedCount, settledCount = 0, 0
for i = 1, n do
  local at = WIDTH * (i - 1) + 2
  local key, what, lease = keys[i], ARGV[at + 1], leases[i]
  local action = string.sub(what, 1, 1)
  local token = action == 'a' and string.sub(what, 2) or string.match(what, '%d+ ')
  local isOwn = lease and not isSettled[key] and string.find(lease, token, 1, true) == 1
  if not isOwn or (ends and (not ends[i] or tonumber(ends[i]) <= now)) then
    results[i] = 'l'
  elseif action == 'e' then
    -- Renews the lease.
    local leaseMs = tonumber(string.match(what, ' (%S+) '))
    if leaseMs == 0 then leaseMs = queue.leaseMs end
    call('ZADD', ns .. 'leased:' .. name, now + leaseMs * 1000 + i, key)
    dueBy(queue, now + leaseMs * 1000)
    if leaseMs < 2000 then queue.isDueEarlier = true end
    results[i] = 'd'
  else
    results[i] = 'd'
    isSettled[key] = true
    settledCount = settledCount + 1
    settled[settledCount] = key
    if action == 'a' then
      ackedCount = ackedCount + 1
      acked[ackedCount] = key
      keepEntry(at)
    else
      local delayMs, reason = string.match(what, ' (%S+) (.*)$')
      local _, score, expires, _, consumer = readLease(lease)
      call('ZREM', ns .. 'leased:' .. name, key)
      if action == 'l' then
        requeue(queue, key, score, expires, tonumber(delayMs))
      elseif action == 'j' then
        recordAttempt(queue, key, 'reject', string.sub(reason, 2), consumer)
        bury(queue, key, expires, reason == '' and 'rejected' or string.sub(reason, 2))
        keepEntry(at)
      else
        local attempts = recordAttempt(queue, key, 'retry', string.sub(reason, 2), consumer)
        if attempts >= maxAttempts(queue, key) then
          bury(queue, key, expires, reason == '' and 'attempts used up' or string.sub(reason, 2))
          keepEntry(at)
        else
          requeue(queue, key, score, expires, tonumber(delayMs))
        end
      end
    end
  end
end
if settledCount > 0 then call('HDEL', ns .. 'lease-info:' .. name, unpack(settled)) end
queue.done = queue.done + ackedCount
if ackedCount > 0 then
  call('ZREM', ns .. 'leased:' .. name, unpack(acked))
  call('HDEL', ns .. 'message:' .. name, unpack(acked))
  if call('EXISTS', ns .. 'attempts:' .. name) == 1 then call('HDEL', ns .. 'attempts:' .. name, unpack(acked)) end
  if hasGroups(queue) then for _, key in ipairs(acked) do removeFromGroup(queue, key) end end
end
queue.usedAt = now
saveAndWake(queue)
putKept()
return { table.concat(results), queue.leaseMs }
`;

/**
 * ARGV: queue, then key and action of each. An action is a letter, the token and a space: ack, extend, release (l), reject (j),
 * retry. All but an ack have a time in ms and a reason behind them: the delay, or the lease (0: that of the queue). Returns a letter each
 * (done, lost), and the lease ms.
 */
export const SETTLE: Script = QUEUE.allowOom(
  `
local WIDTH = 2
local function keepEntry() end
local function putKept() end
${SETTLE_ALL}`,
  { changes: true },
);

/** Like SETTLE, with three more arguments of each: the key of its entry or '', the value, its time to live in ms (0: none). */
export const SETTLE_WITH_ENTRIES: Script = QUEUE.with(KV).denyOom(`
local WIDTH = 5
local entryKeys, entryValues, entryTtls = {}, {}, {}
local entryCount = 0
local function keepEntry(at)
  if ARGV[at + 2] == '' then return end
  local n = entryCount + 1
  entryCount = n
  entryKeys[n], entryValues[n], entryTtls[n] = ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])
end
local function putKept() putEntries(entryKeys, entryValues, entryTtls) end
${SETTLE_ALL}`);

/** ARGV: queue, id of a claim whose reply was lost. Releases its leases, which are among the newest. */
export const UNDO_CLAIM: Script = QUEUE.allowOom(
  `
local name, claimId = ARGV[1], ARGV[2]
local queue = load(name)
if not queue then return 0 end
local keys = call('ZRANGE', ns .. 'leased:' .. name, -1000, -1)
if #keys == 0 then return 0 end
local leases = call('HMGET', ns .. 'lease-info:' .. name, unpack(keys))
for i, key in ipairs(keys) do
  local _, score, expires, ownClaimId = readLease(leases[i])
  if ownClaimId == claimId then
    call('ZREM', ns .. 'leased:' .. name, key)
    call('HDEL', ns .. 'lease-info:' .. name, key)
    requeue(queue, key, score, expires, 0)
  end
end
saveAndWake(queue)
return 1
`,
  { changes: true },
);

/** ARGV: queue, settings of a new queue, then name and value of each setting to change. Returns whether the queue is new. */
export const CONFIGURE: Script = QUEUE.denyOom(`
local name = ARGV[1]
local queue, isNew = ensure(name, ARGV[2])
if #ARGV > 2 then
  local settings = {}
  for i = 3, #ARGV do settings[#settings + 1] = ARGV[i] end
  call('HSET', ns .. 'queue:' .. name, unpack(settings))
end
queue.usedAt = now
save(queue)
schedule(name, now)
-- A queue that is no longer paused has messages for those that wait.
wake(name, call('ZCARD', ns .. 'ready:' .. name))
return isNew and 1 or 0
`);
