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

const MESSAGE_ROWS = new Library(`
-- How many are read together. Each can be large.
local TOGETHER = 20

-- Of messages of one state, TOGETHER at most: state, key, score, message, attempts, lease info, dead reason, end of life.
local function messageRows(name, state, keys, scores, from, to)
  local function valuesOf(kind) return call('HMGET', ns .. kind .. ':' .. name, unpack(keys, from, to)) end
  local messages, attempts = valuesOf('message'), valuesOf('attempts')
  local leases = state == 'leased' and valuesOf('lease-info') or {}
  local reasons = state == 'dead' and valuesOf('dead-reason') or {}
  local ends = call('ZMSCORE', ns .. 'ttl:' .. name, unpack(keys, from, to))
  local rows = {}
  for i = 1, to - from + 1 do
    rows[i] = { state, keys[from + i - 1], num(scores[from + i - 1]), messages[i] or '', attempts[i] or '', leases[i] or '',
      reasons[i] or '', ends[i] or '' }
  end
  return rows
end

-- Two lists of keys in the order of their scores, as one.
local function merged(keys, scores, otherKeys, otherScores)
  if #keys == 0 then return otherKeys, otherScores end
  local all, allScores = {}, {}
  local one, other = 1, 1
  for i = 1, #keys + #otherKeys do
    if other > #otherKeys or one <= #keys and scores[one] <= otherScores[other] then
      all[i], allScores[i], one = keys[one], scores[one], one + 1
    else
      all[i], allScores[i], other = otherKeys[other], otherScores[other], other + 1
    end
  end
  return all, allScores
end

-- The sorted sets of each state. A blocked message counts as ready.
local STATE_SETS = { leased = { 'leased:' }, ready = { 'ready:', 'blocked:' }, delayed = { 'delayed:' }, dead = { 'dead:' } }
`);

/** ARGV: queue, message keys. Returns the clock, then a row a message. */
export const FIND_MESSAGES: Script = QUEUE.with(MESSAGE_ROWS).allowOom(`
local name = ARGV[1]
local rows = { num(now) }
if not loadCurrent(name) then return rows end
for _, key in ipairs(askedKeys(name, 2)) do
  for state, sets in pairs(STATE_SETS) do
    for _, set in ipairs(sets) do
      local score = call('ZSCORE', ns .. set .. name, key)
      if score then rows[#rows + 1] = messageRows(name, state, { key }, { tonumber(score) }, 1, 1)[1] end
    end
  end
end
return rows
`);

/** ARGV: queue, state, limit, score and key to continue after. Returns the clock, then a row a message, 4 MiB at most. */
export const BROWSE: Script = QUEUE.with(MESSAGE_ROWS).allowOom(`
local name, state, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local rows = { num(now) }
if not loadCurrent(name) then return rows end
local after, afterKey = tonumber(ARGV[4]), ARGV[5]
local keys, scores = {}, {}
for _, set in ipairs(STATE_SETS[state]) do
  local ownKeys, ownScores = {}, {}
  local offset = 0
  while #ownKeys < limit do
    local page = call('ZRANGE', ns .. set .. name, ARGV[4], '+inf', 'BYSCORE', 'LIMIT', offset, limit, 'WITHSCORES')
    for i = 1, #page, 2 do
      local score = tonumber(page[i + 1])
      if afterKey == '' or score > after or page[i] > afterKey then
        ownKeys[#ownKeys + 1], ownScores[#ownScores + 1] = page[i], score
      end
    end
    if #page < 2 * limit then break end
    offset = offset + limit
  end
  keys, scores = merged(keys, scores, ownKeys, ownScores)
end
local bytes, length = 0, math.min(limit, #keys)
for from = 1, length, TOGETHER do
  for _, row in ipairs(messageRows(name, state, keys, scores, from, math.min(length, from + TOGETHER - 1))) do
    rows[#rows + 1] = row
    bytes = bytes + #row[4]
    if bytes > 4194304 then return rows end
  end
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

/** ARGV: queue, offset. Returns the clock, then id and end of the window of up to 5,000 dedupe ids. */
export const DEDUPE_IDS: Script = BASE.allowOom(`
local page = call('ZRANGE', ns .. 'dedupe:' .. ARGV[1], now, '+inf', 'BYSCORE', 'LIMIT', ARGV[2], 5000, 'WITHSCORES')
for i = 1, #page, 2 do
  if string.byte(page[i]) == 10 then page[i] = call('HGET', ns .. 'long-ids:' .. ARGV[1], page[i]) or page[i] end
end
return { num(now), page }
`);
