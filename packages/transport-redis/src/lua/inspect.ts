/** Scripts that show the store to operators and exports: queues, messages, topics, dedupe ids. */

import { QUEUE } from './queue-state.ts';
import { BASE, Library, type Script } from './script.ts';

/** ARGV: first and last name as in ZRANGE BYLEX, limit. */
export const QUEUE_NAMES: Script = BASE.allowOom(`
return call('ZRANGE', ns .. 'queues', ARGV[1], ARGV[2], 'BYLEX', 'LIMIT', 0, ARGV[3])
`);

/** ARGV: queues. Returns name, settings, counts, age of the oldest ready message in us, totals of each known queue. */
export const QUEUE_INFO: Script = QUEUE.allowOom(`
local all = {}
for _, name in ipairs(ARGV) do
  local queue = loadCurrent(name)
  if queue then
    local oldest = math.huge
    local ready = call('ZCARD', ns .. 'ready:' .. name)
    for p = 0, ready > 0 and 9 or -1 do
      local from, to = num(p * PRIORITY_STEP), '(' .. num((p + 1) * PRIORITY_STEP)
      local score = call('ZRANGE', ns .. 'ready:' .. name, from, to, 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
      if score then oldest = math.min(oldest, tonumber(score) - p * PRIORITY_STEP) end
    end
    local age = oldest < math.huge and math.max(1, clock - EPOCH - oldest * 4) or 0
    local function size(kind) return call('ZCARD', ns .. kind .. name) end
    all[#all + 1] = { name, num(queue.leaseMs), num(queue.maxLength), num(queue.maxAttempts), num(queue.dedupeMs),
      num(queue.expireIdleMs), queue.frozen and '1' or '0', num(queue.deadTtlMs), num(ready + size('blocked:')),
      num(size('delayed:')), num(size('leased:')), num(size('dead:')), num(age),
      num(queue.sent), num(queue.done), num(queue.dead), num(queue.expired), queue.paused and '1' or '0' }
  end
end
return all
`);

const MESSAGE_ROW = new Library(`
-- state, key, score, message, attempts, lease info, dead reason, end of life
local function messageRow(name, state, key, score)
  local function get(kind) return call('HGET', ns .. kind .. ':' .. name, key) or '' end
  return { state, key, num(tonumber(score)), get('message'), get('attempts'),
    state == 'leased' and get('lease-info') or '', state == 'dead' and get('dead-reason') or '',
    call('ZSCORE', ns .. 'ttl:' .. name, key) or '' }
end

-- The sorted sets of each state. A blocked message counts as ready.
local STATE_SETS = { leased = { 'leased:' }, ready = { 'ready:', 'blocked:' }, delayed = { 'delayed:' }, dead = { 'dead:' } }
`);

/** ARGV: queue, message keys. Returns the clock, then a row a message. */
export const FIND_MESSAGES: Script = QUEUE.with(MESSAGE_ROW).allowOom(`
local name = ARGV[1]
local rows = { num(now) }
if not loadCurrent(name) then return rows end
for _, key in ipairs(askedKeys(name, 2)) do
  for state, sets in pairs(STATE_SETS) do
    for _, set in ipairs(sets) do
      local score = call('ZSCORE', ns .. set .. name, key)
      if score then rows[#rows + 1] = messageRow(name, state, key, score) end
    end
  end
end
return rows
`);

/** ARGV: queue, state, limit, score and key to continue after. Returns the clock, then a row a message, 4 MiB at most. */
export const BROWSE: Script = QUEUE.with(MESSAGE_ROW).allowOom(`
local name, state, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local rows = { num(now) }
if not loadCurrent(name) then return rows end
local found = {}
for _, set in ipairs(STATE_SETS[state]) do
  local offset, count = 0, 0
  while count < limit do
    local page = call('ZRANGE', ns .. set .. name, ARGV[4], '+inf', 'BYSCORE', 'LIMIT', offset, limit, 'WITHSCORES')
    for i = 1, #page, 2 do
      if ARGV[5] == '' or tonumber(page[i + 1]) > tonumber(ARGV[4]) or page[i] > ARGV[5] then
        count = count + 1
        found[#found + 1] = { page[i], tonumber(page[i + 1]) }
      end
    end
    if #page < 2 * limit then break end
    offset = offset + limit
  end
end
if state == 'ready' then table.sort(found, function(a, b) return a[2] < b[2] end) end
local bytes = 0
for i = 1, math.min(limit, #found) do
  local row = messageRow(name, state, found[i][1], found[i][2])
  rows[#rows + 1] = row
  bytes = bytes + #row[4]
  if bytes > 4194304 then break end
end
return rows
`);

/** ARGV: queue, entry to continue after, limit. Returns entries of messages with an ordering key: by key, then in their order. */
export const ORDER_ENTRIES: Script = BASE.allowOom(`
local from = ARGV[2] == '' and '-' or '(' .. ARGV[2]
return call('ZRANGE', ns .. 'order-groups:' .. ARGV[1], from, '+', 'BYLEX', 'LIMIT', 0, ARGV[3])
`);

/** Returns topic and number of events of each topic with history. */
export const TOPIC_COUNTS: Script = BASE.allowOom(`
return call('HGETALL', ns .. 'topics')
`);

/** ARGV: queue, offset. Returns the clock, then id and end of the window of up to 500 dedupe ids. */
export const DEDUPE_IDS: Script = BASE.allowOom(`
local page = call('ZRANGE', ns .. 'dedupe:' .. ARGV[1], now, '+inf', 'BYSCORE', 'LIMIT', ARGV[2], 500, 'WITHSCORES')
for i = 1, #page, 2 do
  if string.byte(page[i]) == 10 then page[i] = call('HGET', ns .. 'long-ids:' .. ARGV[1], page[i]) or page[i] end
end
return { num(now), page }
`);
