/** Scripts with which operators change the store, each in bounded steps. */

import { LOG } from './event-log.ts';
import { KV } from './kv.ts';
import { QUEUE } from './queue-state.ts';
import { BASE, type Script } from './script.ts';

/** ARGV: queue, state, message keys (none: the first ones). Returns how many were deleted. */
export const PURGE: Script = QUEUE.allowOom(
  `
local name, state = ARGV[1], ARGV[2]
local queue = load(name)
if not queue then return 0 end
promoteDue(queue)
local sets = state == 'ready' and { 'ready:', 'blocked:' } or { state .. ':' }
local count = 0
for _, set in ipairs(sets) do
  local keys = #ARGV == 2 and call('ZRANGE', ns .. set .. name, 0, STEP - 1) or askedKeys(name, 3)
  for _, key in ipairs(keys) do
    if call('ZREM', ns .. set .. name, key) == 1 then
      count = count + 1
      call('ZREM', ns .. 'ttl:' .. name, key)
      call('HDEL', ns .. 'dead-reason:' .. name, key)
      deleteMessage(queue, key)
    end
  end
end
saveAndWake(queue)
return count
`,
  { changes: true },
);

/** ARGV: queue, limit, message keys (none: the oldest). Returns how many dead letters were redriven. */
export const REDRIVE: Script = QUEUE.allowOom(
  `
local name, limit = ARGV[1], tonumber(ARGV[2])
local queue = load(name)
if not queue then return 0 end
local keys = {}
local function add(key)
  local reason = call('HGET', ns .. 'dead-reason:' .. name, key)
  -- There is nothing to deliver.
  if reason and string.find(reason, '^%d+ the store lost the ') then return end
  if #keys < math.min(limit, STEP) then keys[#keys + 1] = key end
end
if #ARGV == 2 then
  for from = 0, 10 * STEP, STEP do
    if #keys > 0 then break end
    for _, key in ipairs(call('ZRANGE', ns .. 'dead:' .. name, from, from + STEP - 1)) do add(key) end
  end
else
  local order = {}
  for _, key in ipairs(askedKeys(name, 3)) do
    local at = call('ZSCORE', ns .. 'dead:' .. name, key)
    if at then order[#order + 1] = { tonumber(at), key } end
  end
  table.sort(order, function(a, b) return a[1] < b[1] end)
  for _, one in ipairs(order) do add(one[2]) end
end
for i, key in ipairs(keys) do
  call('ZREM', ns .. 'dead:' .. name, key)
  call('HDEL', ns .. 'dead-reason:' .. name, key)
  local attempts = call('HGET', ns .. 'attempts:' .. name, key)
  if attempts then call('HSET', ns .. 'attempts:' .. name, key, (string.gsub(attempts, '^%d+', '0', 1))) end
  local score = place(queue, key, call('HGET', ns .. 'message:' .. name, key), nextSequence(queue, 1), i, 0)
  if score then
    call('ZADD', ns .. 'ready:' .. name, score, key)
    queue.freed = queue.freed + 1
  end
end
saveAndWake(queue)
return #keys
`,
  { changes: true },
);

/** ARGV: queue, new delay in ms or '' to cancel, message keys. Returns a letter each: done, started, not found. */
export const CANCEL_OR_RESCHEDULE: Script = QUEUE.allowOom(
  `
local name, delayMs = ARGV[1], tonumber(ARGV[2])
local queue = load(name)
if not queue then return string.rep('n', #ARGV - 2) end
promoteDue(queue)
-- Returns whether the message was not started.
local function change(key, i)
  local isPending = false
  for _, set in ipairs({ 'ready:', 'blocked:', 'delayed:' }) do
    if call('ZREM', ns .. set .. name, key) == 1 then isPending = true end
  end
  if not isPending then return false end
  if not delayMs then
    call('ZREM', ns .. 'ttl:' .. name, key)
    deleteMessage(queue, key)
  elseif delayMs > 0 then
    delay(queue, key, now + math.ceil(delayMs * 1000) + i)
  else
    makeReadyLast(queue, key)
  end
  return true
end
local results = {}
for i = 3, #ARGV do
  local keys = aliasesOf(name, ARGV[i])
  local result = (#keys > 0 or call('HEXISTS', ns .. 'message:' .. name, ARGV[i]) == 1) and 's' or 'n'
  keys[#keys + 1] = ARGV[i]
  for _, key in ipairs(keys) do if change(key, i) then result = 'd' end end
  results[#results + 1] = result
end
saveAndWake(queue)
return table.concat(results)
`,
  { changes: true },
);

/** ARGV: queue. Returns whether it was known. */
export const DELETE_QUEUE: Script = QUEUE.allowOom(
  `
if call('EXISTS', ns .. 'queue:' .. ARGV[1]) == 0 then return 0 end
deleteQueue(ARGV[1])
return 1
`,
  { changes: true },
);

/** ARGV: a new incarnation. Clears one step of the namespace; counters stay. Returns whether more is left. */
export const CLEAR: Script = QUEUE.with(LOG, KV).allowOom(
  `
local queues = call('ZRANGE', ns .. 'queues', 0, 49)
for _, name in ipairs(queues) do deleteQueue(name) end
if #queues > 0 then return 1 end
local keys = call('ZRANGE', ns .. 'kv:keys', 0, STEP - 1)
for _, key in ipairs(keys) do removeEntry(key, 'd') end
if #keys > 0 then return 1 end
local length = call('XLEN', ns .. 'log')
if length > 0 then
  call('XTRIM', ns .. 'log', 'MAXLEN', '=', math.max(0, length - 5000))
  if length > 5000 then return 1 end
end
local log = loadLog()
log.bytes, log.trimmed = 0, lastId(log)
saveLog(log)
for _, key in ipairs({ 'topics', 'log:dedupe', 'log:dedupe-ids', 'bindings', 'backfills', 'due', 'kv:deleted', 'maintainers', 'marks', 'lost' }) do
  call('UNLINK', ns .. key)
end
nextNumber('bindings')
call('HDEL', ns .. 'counters', 'bound', 'queues')
call('HSET', ns .. 'header', 'incarnation', ARGV[1], 'cleared', '1')
return 0
`,
  { changes: true },
);

/**
 * Removes one step of what CLEAR leaves, unless the namespace holds data again or a counter is ahead of the clock: a counter
 * restarts at the time and must not repeat a number. Returns whether more is left.
 */
export const REMOVE_NAMESPACE: Script = BASE.allowOom(`
if call('EXISTS', ns .. 'queues', ns .. 'kv:keys', ns .. 'bindings') > 0 or call('XLEN', ns .. 'log') > 0 then return 0 end
for _, counter in ipairs({ 'revision', 'bindings' }) do
  if tonumber(call('HGET', ns .. 'counters', counter) or 0) > clock then return 0 end
end
local popped = call('ZPOPMIN', ns .. 'waiting-queues', STEP)
for i = 1, #popped, 2 do call('UNLINK', ns .. 'waiting:' .. popped[i]) end
if #popped > 0 then return 1 end
-- A gate that is not open outlives the data.
if gate.state == 'open' then call('UNLINK', ns .. 'header') end
for _, key in ipairs({ 'counters', 'log', 'log:state', 'topics', 'due', 'kv:deleted', 'maintainers', 'marks', 'lost' }) do
  call('UNLINK', ns .. key)
end
return 0
`);
