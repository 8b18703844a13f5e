/** What operators, housekeeping and migration do, each in bounded steps. */

/** ARGV: queue, settings of a new one, then names and values of those to be set. */
export const CONFIGURE = `
local q = ensure(ARGV[1], ARGV[2])
if #ARGV > 2 then
  local set = {}
  for i = 3, #ARGV do set[#set + 1] = ARGV[i] end
  call('HSET', P .. 'queue:' .. ARGV[1], unpack(set))
end
q.usedAt = us
save(q)
plan(ARGV[1], us)
return 1
`;

const UPKEEP = `
-- Forgets ids whose window is over, unless their message is still there: those are looked at again later.
local function forgetIds(q)
  local name = P .. 'dedupe:' .. q.name
  local old = call('ZRANGE', name, '(0', us, 'BYSCORE', 'LIMIT', 0, 5 * STEP)
  local kept = call('ZRANGE', name, -us, '(0', 'BYSCORE', 'LIMIT', 0, STEP)
  local gone = {}
  for _, list in ipairs({ old, kept }) do
    for _, key in ipairs(list) do
      if call('HEXISTS', P .. 'body:' .. q.name, key) == 1 then call('ZADD', name, num(-us - KEEP), key)
      else gone[#gone + 1] = key end
    end
  end
  if #gone > 0 then call('ZREM', name, unpack(gone)) end
  return #old == 5 * STEP or #kept == STEP
end

local function forgetDead(q)
  if q.deadTtlMs < 0 then return false end
  local old = call('ZRANGE', P .. 'dead:' .. q.name, '-inf', us - q.deadTtlMs * 1000, 'BYSCORE', 'LIMIT', 0, STEP)
  for _, key in ipairs(old) do
    call('ZREM', P .. 'dead:' .. q.name, key)
    call('HDEL', P .. 'grave:' .. q.name, key)
    forget(q, key)
  end
  return #old == STEP
end

-- Does what is due in a queue, and plans when to look again. Whether there is more to be done now.
local function upkeep(Q, copying)
  local q = load(Q)
  if not q then return false end
  if q.expireIdleMs >= 0 and q.usedAt + q.expireIdleMs * 1000 <= us then
    deleteQueue(Q)
    return false
  end
  local more = bring(q)
  more = forgetDead(q) or more
  more = forgetIds(q) or more
  if q.copying > 0 then copying[#copying + 1] = Q end
  local ready = call('ZCARD', P .. 'ready:' .. Q)
  if ready > 0 then wake(Q, ready) end
  for _, kind in ipairs({ 'expiry:', 'delayed:', 'leased:' }) do
    local at = first(P .. kind .. Q)
    if at then later(q, at) end
  end
  local dead = q.deadTtlMs >= 0 and first(P .. 'dead:' .. Q)
  if dead then later(q, dead + q.deadTtlMs * 1000) end
  if q.expireIdleMs >= 0 then later(q, q.usedAt + q.expireIdleMs * 1000) end
  local id = call('ZRANGE', P .. 'dedupe:' .. Q, '(0', '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
  if id then later(q, math.max(tonumber(id), us + 5000000)) end
  if not id and call('EXISTS', P .. 'dedupe:' .. Q) == 1 then later(q, us + KEEP) end
  if q.copying > 0 then later(q, us + 1000000) end
  if more then q.next = us end
  save(q)
  return more
end
`;

/**
 * ARGV: bounds of retention, process. Returns ms to the next end of an entry, whether there is more to do, the last position
 * of the log, ms to what is planned next, how many processes look, and the queues that still copy history.
 */
export const TICK: string = `
${UPKEEP}
local due = call('ZRANGE', P .. 'agenda', '-inf', us, 'BYSCORE', 'LIMIT', 0, 4)
local out = { -1, #due == 4 and 1 or 0, lastId(logState()), -1, 1 }
for _, name in ipairs(due) do
  call('ZREM', P .. 'agenda', name)
  if name == '\\nentries' then
    local coming = expireEntries()
    if coming and coming <= us then out[2] = 1 end
  elseif name == '\\nlog' then
    local log = logState()
    local more = trim(log, tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
    saveLog(log)
    more = forgetSeen(STEP) or more
    if more then out[2] = 1 end
    if more then plan(name, us)
    elseif call('XLEN', P .. 'log') > 0 or call('EXISTS', P .. 'seen') == 1 then plan(name, us + 5000000) end
  else
    local copying = {}
    if upkeep(name, copying) then out[2] = 1 end
    if copying[1] then out[#out + 1] = name end
  end
end
local coming = first(P .. 'expiring')
if coming then out[1] = math.max(0, math.ceil((coming - us) / 1000)) end
local planned = first(P .. 'agenda')
if planned then out[4] = math.max(0, math.ceil((planned - us) / 1000)) end
call('ZADD', P .. 'keepers', us, ARGV[4])
call('ZREMRANGEBYSCORE', P .. 'keepers', '-inf', us - 10000000)
out[5] = call('ZCARD', P .. 'keepers')
return out
`;

/** ARGV: where to begin and end, as ZRANGE BYLEX has it, how many. */
export const NAMES = `
return call('ZRANGE', P .. 'queues', ARGV[1], ARGV[2], 'BYLEX', 'LIMIT', 0, ARGV[3])
`;

/** ARGV: queues. Returns for each that is there what it is: settings, counts, age of the oldest in us, totals. */
export const INFO = `
local all = {}
for _, Q in ipairs(ARGV) do
  local q = load(Q)
  if q then
    for _ = 1, 10 do if not bring(q) then break end end
    save(q)
    if q.freed > 0 then wake(Q, q.freed) end
    local oldest = math.huge
    local ready = call('ZCARD', P .. 'ready:' .. Q)
    for p = 0, ready > 0 and 9 or -1 do
      local score = call('ZRANGE', P .. 'ready:' .. Q, num(p * LEVEL), '(' .. num((p + 1) * LEVEL), 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
      if score then oldest = math.min(oldest, tonumber(score) - p * LEVEL) end
    end
    local age = oldest < math.huge and math.max(1, us - EPOCH - oldest * 4) or 0
    all[#all + 1] = { Q, num(q.leaseMs), num(q.maxLength), num(q.maxAttempts), num(q.dedupeMs), num(q.expireIdleMs),
      q.frozen and '1' or '0', num(q.deadTtlMs), num(ready + call('ZCARD', P .. 'blocked:' .. Q)),
      num(call('ZCARD', P .. 'delayed:' .. Q)), num(call('ZCARD', P .. 'leased:' .. Q)), num(call('ZCARD', P .. 'dead:' .. Q)),
      num(age), num(q.sent), num(q.done), num(q.died), num(q.expired) }
  end
end
return all
`;

const VIEW = `
-- state, key, score, head, body, tries, lease, grave, end of the time to live
local function view(Q, state, key, score)
  local function get(kind) return call('HGET', P .. kind .. ':' .. Q, key) or '' end
  return { state, key, num(tonumber(score)), get('head'), get('body'), get('tries'),
    state == 'leased' and get('lease') or '', state == 'dead' and get('grave') or '',
    call('ZSCORE', P .. 'expiry:' .. Q, key) or '' }
end

local SHELVES = { leased = { 'leased' }, ready = { 'ready', 'blocked' }, delayed = { 'delayed' }, dead = { 'dead' } }
`;

/** ARGV: queue, keys. */
export const LOOK_UP: string = `
${VIEW}
local Q = ARGV[1]
local q = load(Q)
local rows = { num(us) }
if not q then return rows end
for _ = 1, 10 do if not bring(q) then break end end
save(q)
if q.freed > 0 then wake(Q, q.freed) end
for i = 2, #ARGV do
  for state, shelves in pairs(SHELVES) do
    for _, shelf in ipairs(shelves) do
      local score = call('ZSCORE', P .. shelf .. ':' .. Q, ARGV[i])
      if score then rows[#rows + 1] = view(Q, state, ARGV[i], score) end
    end
  end
end
return rows
`;

/** ARGV: queue, state, how many, score and key to go on behind (or ''). A page of at most 4 MiB. */
export const BROWSE: string = `
${VIEW}
local Q, state, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local q = load(Q)
local rows = { num(us) }
if not q then return rows end
for _ = 1, 10 do if not bring(q) then break end end
save(q)
if q.freed > 0 then wake(Q, q.freed) end
local found = {}
for _, shelf in ipairs(SHELVES[state]) do
  local offset, got = 0, 0
  while got < limit do
    local page = call('ZRANGE', P .. shelf .. ':' .. Q, ARGV[4], '+inf', 'BYSCORE', 'LIMIT', offset, limit, 'WITHSCORES')
    for i = 1, #page, 2 do
      local isBehind = ARGV[5] == '' or tonumber(page[i + 1]) > tonumber(ARGV[4]) or page[i] > ARGV[5]
      if isBehind then
        got = got + 1
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
  local row = view(Q, state, found[i][1], found[i][2])
  rows[#rows + 1] = row
  bytes = bytes + #row[5]
  if bytes > 4194304 then break end
end
return rows
`;

/** ARGV: queue, state, keys (none: the first ones). Returns how many went. */
export const PURGE = `
local Q, state = ARGV[1], ARGV[2]
local q = load(Q)
if not q then return 0 end
bring(q)
local shelves = state == 'ready' and { 'ready:', 'blocked:' } or { state .. ':' }
local count = 0
for _, shelf in ipairs(shelves) do
  local keys = {}
  if #ARGV == 2 then keys = call('ZRANGE', P .. shelf .. Q, 0, STEP - 1) end
  for i = 3, #ARGV do keys[#keys + 1] = ARGV[i] end
  for _, key in ipairs(keys) do
    if call('ZREM', P .. shelf .. Q, key) == 1 then
      count = count + 1
      call('ZREM', P .. 'expiry:' .. Q, key)
      call('HDEL', P .. 'grave:' .. Q, key)
      forget(q, key)
    end
  end
end
save(q)
if q.freed > 0 then wake(Q, q.freed) end
return count
`;

/** ARGV: queue, how many, keys (none: the oldest). Returns how many came back. */
export const REDRIVE = `
local Q, limit = ARGV[1], tonumber(ARGV[2])
local q = load(Q)
if not q then return 0 end
local keys
if #ARGV == 2 then
  keys = call('ZRANGE', P .. 'dead:' .. Q, 0, math.min(limit, STEP) - 1)
else
  local order = {}
  for i = 3, #ARGV do
    local at = call('ZSCORE', P .. 'dead:' .. Q, ARGV[i])
    if at then order[#order + 1] = { tonumber(at), ARGV[i] } end
  end
  table.sort(order, function(a, b) return a[1] < b[1] end)
  keys = {}
  for i = 1, math.min(limit, #order) do keys[i] = order[i][2] end
end
for i, key in ipairs(keys) do
  call('ZREM', P .. 'dead:' .. Q, key)
  call('HDEL', P .. 'grave:' .. Q, key)
  local tries = call('HGET', P .. 'tries:' .. Q, key)
  if tries then call('HSET', P .. 'tries:' .. Q, key, (string.gsub(tries, '^%d+', '0', 1))) end
  local score = shelve(q, key, call('HGET', P .. 'head:' .. Q, key), places(q, 1), i, 0)
  if score then
    call('ZADD', P .. 'ready:' .. Q, score, key)
    q.freed = q.freed + 1
  end
end
save(q)
if q.freed > 0 then wake(Q, q.freed) end
return #keys
`;

/** ARGV: queue, delay in ms or '' to cancel, keys. Returns a letter each: done, started, not found. */
export const PENDING = `
local Q, delay = ARGV[1], tonumber(ARGV[2])
local q = load(Q)
local results = {}
if q then bring(q) end
for i = 3, #ARGV do
  local key = ARGV[i]
  local found
  if q then
    for _, shelf in ipairs({ 'ready:', 'blocked:', 'delayed:' }) do
      if call('ZREM', P .. shelf .. Q, key) == 1 then found = true end
    end
  end
  if not found then
    results[#results + 1] = q and call('HEXISTS', P .. 'body:' .. Q, key) == 1 and 's' or 'n'
  else
    results[#results + 1] = 'd'
    if not delay then
      call('ZREM', P .. 'expiry:' .. Q, key)
      forget(q, key)
    elseif delay > 0 then
      putOff(q, key, us + math.ceil(delay * 1000) + i)
    else
      local p = parse(call('HGET', P .. 'head:' .. Q, key))
      makeReady(q, key, (9 - p) * LEVEL + places(q, 1))
    end
  end
end
if q then
  save(q)
  if q.freed > 0 then wake(Q, q.freed) end
end
return table.concat(results)
`;

export const DELETE_QUEUE = `
if call('EXISTS', P .. 'queue:' .. ARGV[1]) == 0 then return 0 end
deleteQueue(ARGV[1])
return 1
`;

/** One step. Whether there is more. */
export const CLEAR = `
local queues = call('ZRANGE', P .. 'queues', 0, 49)
for _, Q in ipairs(queues) do deleteQueue(Q) end
if #queues > 0 then return 1 end
local keys = call('ZRANGE', P .. 'keys', 0, STEP - 1)
for _, key in ipairs(keys) do remove(key, 'd') end
if #keys > 0 then return 1 end
local length = call('XLEN', P .. 'log')
if length > 0 then
  call('XTRIM', P .. 'log', 'MAXLEN', '=', math.max(0, length - 5000))
  if length > 5000 then return 1 end
end
local log = logState()
log.bytes, log.trimmed = 0, lastId(log)
saveLog(log)
call('UNLINK', P .. 'topics', P .. 'seen', P .. 'seenAt', P .. 'bindings', P .. 'copies', P .. 'agenda', P .. 'gone', P .. 'keepers')
count('bindings')
return 0
`;

/** Removes the bookkeeping of a namespace that holds nothing, once its counters can begin anew. Whether more is to be removed. */
export const TIDY = `
if call('EXISTS', P .. 'queues', P .. 'keys', P .. 'bindings') > 0 or call('XLEN', P .. 'log') > 0 then return 0 end
for _, counter in ipairs({ 'revision', 'bindings' }) do
  if tonumber(call('HGET', P .. 'meta', counter) or 0) > us then return 0 end
end
local popped = call('ZPOPMIN', P .. 'awaited', STEP)
for i = 1, #popped, 2 do call('UNLINK', P .. 'waiting:' .. popped[i]) end
if #popped > 0 then return 1 end
call('UNLINK', P .. 'log', P .. 'log:state', P .. 'meta', P .. 'gone', P .. 'agenda', P .. 'keepers', P .. 'topics')
return 0
`;

/** ARGV: queue, settings. Whether it is new. */
export const IMPORT_QUEUE = `
local q, isNew = ensure(ARGV[1], ARGV[2])
save(q)
return isNew and 1 or 0
`;

/** ARGV: queue, settings, then key, head, body, tries, grave (when it died in ms and why, or '') of each. How many are new. */
export const IMPORT_MESSAGES = `
local Q = ARGV[1]
local q = ensure(Q, ARGV[2])
local count = 0
for i = 3, #ARGV, 5 do
  local key, head, body, tries, grave = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  if call('HEXISTS', P .. 'body:' .. Q, key) == 0 then
    count = count + 1
    call('ZADD', P .. 'dedupe:' .. Q, 'NX', num(-us - KEEP), key)
    later(q, us + KEEP)
    if tries ~= '' then call('HSET', P .. 'tries:' .. Q, key, tries) end
    if grave == '' then
      intake(q, { key }, { head }, { body })
    else
      call('HSET', P .. 'head:' .. Q, key, head)
      call('HSET', P .. 'body:' .. Q, key, body)
      call('HSET', P .. 'grave:' .. Q, key, grave)
      local at = tonumber(string.match(grave, '^%d+')) * 1000
      while #call('ZRANGE', P .. 'dead:' .. Q, num(at), num(at), 'BYSCORE', 'LIMIT', 0, 1) > 0 do at = at + 1 end
      call('ZADD', P .. 'dead:' .. Q, num(at), key)
      if q.deadTtlMs >= 0 then later(q, at + q.deadTtlMs * 1000) end
    end
  end
end
save(q)
if q.freed > 0 then wake(Q, q.freed) end
return count
`;

/** ARGV: queue, settings, then key and ms it is still known, of each. How many are new. */
export const IMPORT_IDS = `
local q = ensure(ARGV[1], ARGV[2])
local count = 0
for i = 3, #ARGV, 2 do
  local score = call('ZSCORE', P .. 'dedupe:' .. ARGV[1], ARGV[i])
  if not score or tonumber(score) <= us then
    local ends = us + math.ceil(ARGV[i + 1] * 1000)
    call('ZADD', P .. 'dedupe:' .. ARGV[1], ends, ARGV[i])
    later(q, ends)
    count = count + 1
  end
end
save(q)
return count
`;

/** ARGV: topic, dedupe in ms, key, head, body, ms since 1970 when it was sent. What queues hold of it are records of their own. */
export const IMPORT_EVENT = `
local topic, key = ARGV[1], ARGV[3]
local member = topic .. '\\n' .. key
local log = logState()
local id = append(log, topic, key, ARGV[4], ARGV[5], math.min(nowMs, tonumber(ARGV[6])))
local ends = us + tonumber(ARGV[2]) * 1000
call('ZADD', P .. 'seen', ends, member)
call('HSET', P .. 'seenAt', member, id)
call('HINCRBY', P .. 'topics', topic, 1)
saveLog(log)
plan('\\nlog', ends)
tellEvents(topic, id, id)
return 1
`;

/** ARGV: key, value, revision, revision of creation, ms it has to live or ''. */
export const IMPORT_ENTRY = `
local highest = tonumber(call('HGET', P .. 'meta', 'revision') or 0)
if tonumber(ARGV[3]) > highest then call('HSET', P .. 'meta', 'revision', ARGV[3]) end
if find(ARGV[1]) then return 0 end
local ends = ARGV[5] == '' and 0 or us + math.ceil(ARGV[5] * 1000)
store(ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ends)
return 1
`;

/** ARGV: the highest revision ever given elsewhere. */
export const IMPORT_REVISION = `
local highest = tonumber(call('HGET', P .. 'meta', 'revision') or 0)
if tonumber(ARGV[1]) > highest then call('HSET', P .. 'meta', 'revision', ARGV[1]) end
return 0
`;

/** ARGV: queue, how many to pass over. Returns the clock, then keys and until when they are known. */
export const KNOWN_IDS = `
return { num(us), call('ZRANGE', P .. 'dedupe:' .. ARGV[1], us, '+inf', 'BYSCORE', 'LIMIT', ARGV[2], 500, 'WITHSCORES') }
`;

/** Topics that have history, and how many events. */
export const TOPICS = `
return call('HGETALL', P .. 'topics')
`;

/** ARGV: where to begin, how many. Returns ids of the log, each with its topic and key. */
export const EVENT_KEYS = `
local out = {}
for _, event in ipairs(call('XRANGE', P .. 'log', ARGV[1], '+', 'COUNT', ARGV[2])) do
  out[#out + 1] = event[1]
  out[#out + 1] = event[2][2] .. '\\n' .. event[2][4]
end
return out
`;
