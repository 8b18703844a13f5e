/** A queue as scripts see it: its record, its shelves, and the ways of a message between them. */

/**
 * Of a queue Q there are, each under one name: queue (settings and counters), body and head (of each message), tries (ended
 * attempts), grave (why it died), and the shelves, sorted sets of messages: ready (by priority and place), blocked
 * (the same, until older ones of the same ordering key are settled), delayed (by when it is due), leased (by when that
 * ends), dead (by when it died); expiry (by when the time to live ends); dedupe (by until when the id is known); lane and
 * lanes (the order within an ordering key); waiting (processes that wait).
 */
export const QUEUE = `
local LEVEL = 562949953421312
local EPOCH = 1735689600000000
local PLAIN = '4 0 - 0 \\n'
-- How often it is looked whether an id is still that of a message that is there.
local KEEP = 120000000

local function load(Q)
  local v = call('HMGET', P .. 'queue:' .. Q, 'leaseMs', 'maxLength', 'maxAttempts', 'dedupeMs', 'expireIdleMs', 'frozen',
    'deadTtlMs', 'sent', 'done', 'died', 'expired', 'usedAt', 'place', 'copying')
  if not v[1] then return nil end
  return { name = Q, leaseMs = tonumber(v[1]), maxLength = tonumber(v[2]), maxAttempts = tonumber(v[3]),
    dedupeMs = tonumber(v[4]), expireIdleMs = tonumber(v[5]), frozen = v[6] == '1', deadTtlMs = tonumber(v[7]),
    sent = tonumber(v[8]), done = tonumber(v[9]), died = tonumber(v[10]), expired = tonumber(v[11]),
    usedAt = tonumber(v[12]), place = tonumber(v[13]), copying = tonumber(v[14]), freed = 0, next = math.huge }
end

local function ensure(Q, settings)
  local q = load(Q)
  if q then return q, false end
  local s = cjson.decode(settings)
  call('HSET', P .. 'queue:' .. Q, 'leaseMs', s.leaseMs, 'maxLength', s.maxLength, 'maxAttempts', s.maxAttempts,
    'dedupeMs', s.dedupeMs, 'expireIdleMs', s.expireIdleMs, 'frozen', s.frozen, 'deadTtlMs', s.deadTtlMs,
    'sent', 0, 'done', 0, 'died', 0, 'expired', 0, 'usedAt', us, 'place', 0, 'copying', 0)
  call('ZADD', P .. 'queues', 0, Q)
  q = load(Q)
  if q.expireIdleMs >= 0 then q.next = us + q.expireIdleMs * 1000 end
  return q, true
end

local function later(q, at)
  if at < q.next then q.next = at end
end

-- The first of n places in the order of the queue: in units of 4 us since 2025, so that none is given twice, ever.
local function places(q, n)
  local at = math.floor((us - EPOCH) / 4)
  if at <= q.place then at = q.place + 1 end
  q.place = at + n - 1
  return at
end

-- priority, attempts (0: as the queue says), time to live in ms or nil, delay in ms, ordering key or ''
local function parse(head)
  if string.sub(head, 1, 9) == PLAIN then return 4, 0, nil, 0, '' end
  local p, m, ttl, delay, okey = string.match(head, '^(%d) (%d+) (%S+) (%S+) ([^\\n]*)\\n')
  return tonumber(p), tonumber(m), tonumber(ttl), tonumber(delay), okey
end

-- Wakes up to n processes that wait; those that are gone are passed over.
local function wake(Q, n)
  local waiting = P .. 'waiting:' .. Q
  local woken = 0
  for _ = 1, 100 do
    if woken >= n then break end
    local who = call('ZPOPMIN', waiting)[1]
    if not who then break end
    if call('SPUBLISH', P .. 'bell:' .. who, Q) > 0 then woken = woken + 1 end
  end
  if woken > 0 then plan(Q, us + 1000000) end
end

local function save(q)
  call('HSET', P .. 'queue:' .. q.name, 'sent', q.sent, 'done', q.done, 'died', q.died, 'expired', q.expired,
    'usedAt', q.usedAt, 'place', q.place, 'copying', q.copying)
  if q.next < math.huge then plan(q.name, q.next) end
  -- Somebody who waits learns when to look.
  if q.hint then wake(q.name, 1) end
end

-- Puts a message off. One that comes due before all others is told to somebody who waits.
local function putOff(q, key, due)
  call('ZADD', P .. 'delayed:' .. q.name, due, key)
  later(q, due)
  if first(P .. 'delayed:' .. q.name) >= due then q.hint = true end
end

local function hasLanes(q)
  if q.lanes == nil then q.lanes = call('EXISTS', P .. 'lanes:' .. q.name) == 1 end
  return q.lanes
end

local function firstOfLane(Q, okey)
  return call('ZRANGE', P .. 'lanes:' .. Q, '[' .. okey .. '\\n', '(' .. okey .. '\\n\\255', 'BYLEX', 'LIMIT', 0, 1)[1]
end

-- Puts a message behind the others of its ordering key. Whether it is the first.
local function enlane(q, key, okey, place)
  local member = okey .. '\\n' .. string.format('%016.0f', place) .. '\\n' .. key
  call('ZADD', P .. 'lanes:' .. q.name, 0, member)
  call('HSET', P .. 'lane:' .. q.name, key, member)
  q.lanes = true
  return firstOfLane(q.name, okey) == member
end

local function isFirst(q, key)
  local member = call('HGET', P .. 'lane:' .. q.name, key)
  if not member then return true end
  return firstOfLane(q.name, string.match(member, '^([^\\n]*)\\n')) == member
end

-- Takes a message out of its lane: the next one has its turn.
local function unlane(q, key)
  if not hasLanes(q) then return end
  local Q = q.name
  local member = call('HGET', P .. 'lane:' .. Q, key)
  if not member then return end
  call('HDEL', P .. 'lane:' .. Q, key)
  call('ZREM', P .. 'lanes:' .. Q, member)
  local following = firstOfLane(Q, string.match(member, '^([^\\n]*)\\n'))
  if not following then return end
  local turn = string.match(following, '^[^\\n]*\\n%d+\\n(.*)$')
  local score = call('ZSCORE', P .. 'blocked:' .. Q, turn)
  if not score then return end
  call('ZREM', P .. 'blocked:' .. Q, turn)
  call('ZADD', P .. 'ready:' .. Q, score, turn)
  q.freed = q.freed + 1
end

local function makeReady(q, key, score)
  if hasLanes(q) and not isFirst(q, key) then call('ZADD', P .. 'blocked:' .. q.name, score, key) return end
  call('ZADD', P .. 'ready:' .. q.name, score, key)
  q.freed = q.freed + 1
end

-- Shelves a message that is not plain. Its score where it is ready.
local function shelve(q, key, head, place, index, delayMs)
  local Q = q.name
  local p, _, ttl, delay, okey = parse(head)
  delay = delayMs or delay
  local score = (9 - p) * LEVEL + place
  if ttl then
    local ends = us + math.ceil(ttl * 1000)
    call('ZADD', P .. 'expiry:' .. Q, ends, key)
    later(q, ends)
  end
  local isTurn = okey == '' or enlane(q, key, okey, place)
  if delay > 0 then
    local due = us + math.ceil(delay * 1000) + index
    putOff(q, key, due)
    return nil
  end
  if isTurn then return score end
  call('ZADD', P .. 'blocked:' .. Q, score, key)
  return nil
end

-- A key that no message of the queue has: its own, or one with its place where an older one has it still.
local function freeKey(q, key)
  if call('HEXISTS', P .. 'body:' .. q.name, key) == 0 then return key end
  return key .. '\\n' .. num(places(q, 1))
end

-- Takes in messages: keys, heads, bodies side by side, and places where they had some before.
local function intake(q, keys, heads, bodies, own)
  local n = #keys
  if n == 0 then return end
  local Q = q.name
  local base = own and 0 or places(q, n) - 1
  local h, b, r = {}, {}, {}
  for i = 1, n do
    local key, head = keys[i], heads[i]
    local place = own and own[i] or base + i
    h[#h + 1] = key
    h[#h + 1] = head
    b[#b + 1] = key
    b[#b + 1] = bodies[i]
    local score
    if string.sub(head, 1, 9) == PLAIN then score = 5 * LEVEL + place else score = shelve(q, key, head, place, i) end
    if score then
      r[#r + 1] = score
      r[#r + 1] = key
    end
  end
  call('HSET', P .. 'head:' .. Q, unpack(h))
  call('HSET', P .. 'body:' .. Q, unpack(b))
  if #r > 0 then
    call('ZADD', P .. 'ready:' .. Q, unpack(r))
    q.freed = q.freed + #r / 2
  end
end

-- Forgets a message that stands on no shelf any more.
local function forget(q, key)
  local Q = q.name
  call('HDEL', P .. 'head:' .. Q, key)
  call('HDEL', P .. 'body:' .. Q, key)
  call('HDEL', P .. 'tries:' .. Q, key)
  unlane(q, key)
end

local function expire(q, key)
  q.expired = q.expired + 1
  forget(q, key)
end

local function attemptsOf(tries)
  return tries and tonumber(string.match(tries, '^%d+')) or 0
end

-- Notes an ended attempt. How many these are.
local function endAttempt(q, key, outcome, reason, consumer)
  local name = P .. 'tries:' .. q.name
  local tries = call('HGET', name, key)
  local n = attemptsOf(tries) + 1
  local record = { attempt = n, endedAt = nowMs, outcome = outcome }
  if reason ~= '' then record.reason = reason end
  if consumer ~= '' then record.consumer = consumer end
  local lines = {}
  if tries then
    for line in string.gmatch(string.match(tries, '^%d+\\n?(.*)$'), '[^\\n]+') do lines[#lines + 1] = line end
  end
  while #lines >= 20 do table.remove(lines, 1) end
  lines[#lines + 1] = cjson.encode(record)
  call('HSET', name, key, n .. '\\n' .. table.concat(lines, '\\n'))
  return n
end

-- token, score, expires (0: never), claim, consumer
local function readLease(text)
  local token, score, expires, claim, consumer = string.match(text, '^(%d+) (%d+) (%d+) (%S*) (.*)$')
  return token, tonumber(score), tonumber(expires), claim, consumer
end

local function maxAttempts(q, key)
  local _, m = parse(call('HGET', P .. 'head:' .. q.name, key))
  return m > 0 and m or q.maxAttempts
end

-- A lease is over and the message stays.
local function back(q, key, score, expires, delayMs)
  if expires > 0 and expires <= us then expire(q, key) return end
  if expires > 0 then
    call('ZADD', P .. 'expiry:' .. q.name, expires, key)
    later(q, expires)
  end
  if delayMs > 0 then
    putOff(q, key, us + math.ceil(delayMs * 1000))
  else
    makeReady(q, key, score)
  end
end

local function bury(q, key, expires, reason)
  if expires > 0 and expires <= us then expire(q, key) return end
  local Q = q.name
  local at = us
  local last = tonumber(call('ZRANGE', P .. 'dead:' .. Q, -1, -1, 'WITHSCORES')[2])
  if last and last >= at then at = last + 1 end
  call('ZADD', P .. 'dead:' .. Q, at, key)
  call('HSET', P .. 'grave:' .. Q, key, nowMs .. ' ' .. reason)
  q.died = q.died + 1
  if q.deadTtlMs >= 0 then later(q, at + q.deadTtlMs * 1000) end
  unlane(q, key)
end

local function leaseEnded(q, key, lease)
  local _, score, expires, _, consumer = readLease(lease)
  local n = endAttempt(q, key, 'expired', '', consumer)
  if n >= maxAttempts(q, key) then bury(q, key, expires, 'the lease of the last attempt ended')
  else back(q, key, score, expires, 0) end
end

-- Brings forward what has come due, a step of each. Whether there may be more.
local function bring(q)
  local Q = q.name
  local gone = call('ZRANGE', P .. 'expiry:' .. Q, '-inf', us, 'BYSCORE', 'LIMIT', 0, STEP)
  for _, key in ipairs(gone) do
    call('ZREM', P .. 'expiry:' .. Q, key)
    call('ZREM', P .. 'ready:' .. Q, key)
    call('ZREM', P .. 'delayed:' .. Q, key)
    call('ZREM', P .. 'blocked:' .. Q, key)
    expire(q, key)
  end
  local due = call('ZRANGE', P .. 'delayed:' .. Q, '-inf', us, 'BYSCORE', 'LIMIT', 0, STEP)
  for i, key in ipairs(due) do
    call('ZREM', P .. 'delayed:' .. Q, key)
    local p = parse(call('HGET', P .. 'head:' .. Q, key))
    makeReady(q, key, (9 - p) * LEVEL + places(q, 1))
  end
  local ended = call('ZRANGE', P .. 'leased:' .. Q, '-inf', us, 'BYSCORE', 'LIMIT', 0, STEP)
  for _, key in ipairs(ended) do
    local lease = call('HGET', P .. 'lease:' .. Q, key)
    call('ZREM', P .. 'leased:' .. Q, key)
    call('HDEL', P .. 'lease:' .. Q, key)
    leaseEnded(q, key, lease)
  end
  return #gone == STEP or #due == STEP or #ended == STEP, #gone + #due + #ended > 0
end

local KINDS = { 'queue', 'body', 'head', 'tries', 'grave', 'ready', 'blocked', 'delayed', 'leased', 'lease', 'dead',
  'expiry', 'dedupe', 'lane', 'lanes' }

-- Those who wait go on waiting.
local function deleteQueue(Q)
  local names = {}
  for i, kind in ipairs(KINDS) do names[i] = P .. kind .. ':' .. Q end
  call('UNLINK', unpack(names))
  call('ZREM', P .. 'queues', Q)
  call('ZREM', P .. 'agenda', Q)
  local patterns = call('HKEYS', P .. 'bound:' .. Q)
  if #patterns == 0 then return end
  for _, pattern in ipairs(patterns) do
    call('HDEL', P .. 'bindings', Q .. '\\n' .. pattern)
    call('HDEL', P .. 'copies', Q .. '\\n' .. pattern)
  end
  call('UNLINK', P .. 'bound:' .. Q)
  count('bindings')
end
`;
