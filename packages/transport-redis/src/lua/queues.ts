/** The scripts that consumers and producers live on: send, claim, settle. */

/** ARGV: queue, whether to create it, its settings then, then key, head and body of each message. */
export const SEND = `
local Q = ARGV[1]
local q
if ARGV[2] == '1' then q = ensure(Q, ARGV[3]) else q = load(Q) end
if not q then return 'absent' end
if q.frozen then return 'frozen' end
q.usedAt = us
local n = (#ARGV - 3) / 3
local asked = {}
for i = 1, n do asked[i] = ARGV[3 * i + 1] end
local known = call('ZMSCORE', P .. 'dedupe:' .. Q, unpack(asked))
local room = q.maxLength - call('HLEN', P .. 'body:' .. Q) + call('ZCARD', P .. 'dead:' .. Q)
local now, seen, keys, heads, bodies, ids, results = us, {}, {}, {}, {}, {}, {}
local untilUs = us + q.dedupeMs * 1000
for i = 1, n do
  local key = asked[i]
  local score = known[i] and tonumber(known[i])
  if seen[key] or (score and score > now) then
    results[i] = 'd'
  elseif #keys >= room then
    results[i] = 'f'
  else
    seen[key] = true
    ids[#ids + 1] = untilUs
    ids[#ids + 1] = key
    -- An id that is not known any more may still be that of a message that is there.
    keys[#keys + 1] = score and freeKey(q, key) or key
    heads[#heads + 1] = ARGV[3 * i + 2]
    bodies[#bodies + 1] = ARGV[3 * i + 3]
    results[i] = 's'
  end
end
if #keys > 0 then
  call('ZADD', P .. 'dedupe:' .. Q, unpack(ids))
  later(q, untilUs)
  intake(q, keys, heads, bodies)
  q.sent = q.sent + #keys
end
save(q)
if q.freed > 0 then wake(Q, q.freed) end
return table.concat(results)
`;

/**
 * ARGV: queue, how many, consumer, process (waits where it is not empty), number of the claim. Returns the settings that a
 * waiting process needs, when to look again, and the deliveries.
 */
export const CLAIM = `
local Q, wanted, consumer, process, claim = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local function await()
  if process == '' then return end
  call('ZADD', P .. 'waiting:' .. Q, us, process)
  call('PEXPIRE', P .. 'waiting:' .. Q, 600000)
  call('ZADD', P .. 'awaited', us, Q)
  call('ZREMRANGEBYSCORE', P .. 'awaited', '-inf', num(us - 600000000))
  call('PEXPIRE', P .. 'awaited', 600000)
end
local q = load(Q)
if not q then
  await()
  return { 0, -1, -1, 0, 0 }
end
q.usedAt = us
bring(q)
local leaseUs = q.leaseMs * 1000
local out = { 0, 0, 0, 0, 0 }
local taken, bytes, size = 0, 0, 4
-- What history is still to bring comes first.
if q.copying > 0 then wanted = 0 end
while taken < wanted and bytes < 4194304 do
  local popped = call('ZPOPMIN', P .. 'ready:' .. Q, math.min(size, wanted - taken))
  local n = #popped / 2
  if n == 0 then break end
  size = math.min(size * 4, 128)
  local keys = {}
  for i = 1, n do keys[i] = popped[2 * i - 1] end
  local heads = call('HMGET', P .. 'head:' .. Q, unpack(keys))
  local bodies = call('HMGET', P .. 'body:' .. Q, unpack(keys))
  local tries = call('HMGET', P .. 'tries:' .. Q, unpack(keys))
  local token = places(q, n) - 1
  local leased, leases = {}, {}
  for i = 1, n do
    local key, head = keys[i], heads[i]
    local _, m, ttl = parse(head)
    local attempts = attemptsOf(tries[i])
    local expires = 0
    if ttl then
      expires = tonumber(call('ZSCORE', P .. 'expiry:' .. Q, key) or 0)
      call('ZREM', P .. 'expiry:' .. Q, key)
    end
    if expires > 0 and expires <= us then
      expire(q, key)
    elseif attempts >= (m > 0 and m or q.maxAttempts) then
      bury(q, key, expires, 'attempts used up')
    else
      taken = taken + 1
      bytes = bytes + #bodies[i]
      leased[#leased + 1] = us + leaseUs + taken
      leased[#leased + 1] = key
      leases[#leases + 1] = key
      leases[#leases + 1] = num(token + i) .. ' ' .. num(tonumber(popped[2 * i])) .. ' ' .. num(expires) .. ' ' .. claim .. ' ' .. consumer
      out[#out + 1] = key
      out[#out + 1] = num(token + i)
      out[#out + 1] = attempts + 1
      out[#out + 1] = expires > 0 and num(expires - us) or ''
      out[#out + 1] = head
      out[#out + 1] = bodies[i]
    end
  end
  if #leased > 0 then
    call('ZADD', P .. 'leased:' .. Q, unpack(leased))
    call('HSET', P .. 'lease:' .. Q, unpack(leases))
  end
end
if taken > 0 then
  later(q, us + leaseUs + 1)
  -- Its end may come before the next look at the agenda.
  if q.leaseMs < 2000 then q.hint = true end
end
local left = call('ZCARD', P .. 'ready:' .. Q)
local look = -1
if q.copying > 0 or (taken < wanted and left == 0) then
  await()
  local due = math.min(first(P .. 'delayed:' .. Q) or math.huge, first(P .. 'leased:' .. Q) or math.huge)
  if due < math.huge then look = math.max(0, math.ceil((due - us) / 1000)) end
elseif left > 0 then
  wake(Q, left)
end
save(q)
out[1], out[2], out[3], out[4], out[5] = q.leaseMs, look, q.expireIdleMs, q.copying, q.copying > 0 and 0 or left
return out
`;

/** ARGV: queue, then key, token, action, delay in ms and reason of each. Returns a letter each, and the length of the lease. */
export const SETTLE = `
local Q = ARGV[1]
local q = load(Q)
local n = (#ARGV - 1) / 5
local results = {}
if not q then
  for i = 1, n do results[i] = 'l' end
  return { table.concat(results), 0 }
end
local keys = {}
for i = 1, n do keys[i] = ARGV[5 * i - 3] end
local leases = call('HMGET', P .. 'lease:' .. Q, unpack(keys))
local ends = call('ZMSCORE', P .. 'leased:' .. Q, unpack(keys))
local acked, seen = {}, {}
for i = 1, n do
  local key, token, action = keys[i], ARGV[5 * i - 2], ARGV[5 * i - 1]
  local delay, reason = tonumber(ARGV[5 * i]), ARGV[5 * i + 1]
  local lease = leases[i]
  local held, score, expires, _, consumer
  if lease and not seen[key] then held, score, expires, _, consumer = readLease(lease) end
  if held ~= token or not ends[i] or tonumber(ends[i]) <= us then
    results[i] = 'l'
  elseif action == 'extend' then
    call('ZADD', P .. 'leased:' .. Q, us + q.leaseMs * 1000 + i, key)
    later(q, us + q.leaseMs * 1000)
    results[i] = 'd'
  else
    results[i] = 'd'
    seen[key] = true
    acked[#acked + 1] = key
    if action == 'ack' then
      q.done = q.done + 1
    else
      call('ZREM', P .. 'leased:' .. Q, key)
      if action == 'release' then
        back(q, key, score, expires, 0)
      elseif action == 'reject' then
        endAttempt(q, key, 'reject', string.sub(reason, 2), consumer)
        bury(q, key, expires, reason == '' and 'rejected' or string.sub(reason, 2))
      else
        local attempts = endAttempt(q, key, 'retry', string.sub(reason, 2), consumer)
        if attempts >= maxAttempts(q, key) then
          bury(q, key, expires, reason == '' and 'attempts used up' or string.sub(reason, 2))
        else
          back(q, key, score, expires, delay)
        end
      end
      seen[key] = 'kept'
    end
  end
end
if #acked > 0 then
  call('HDEL', P .. 'lease:' .. Q, unpack(acked))
  local gone = {}
  for _, key in ipairs(acked) do if seen[key] == true then gone[#gone + 1] = key end end
  if #gone > 0 then
    call('ZREM', P .. 'leased:' .. Q, unpack(gone))
    call('HDEL', P .. 'head:' .. Q, unpack(gone))
    call('HDEL', P .. 'body:' .. Q, unpack(gone))
    call('HDEL', P .. 'tries:' .. Q, unpack(gone))
    if hasLanes(q) then for _, key in ipairs(gone) do unlane(q, key) end end
  end
end
q.usedAt = us
save(q)
if q.freed > 0 then wake(Q, q.freed) end
return { table.concat(results), q.leaseMs }
`;

/** ARGV: queue, id of a claim whose answer was lost: nobody knows of its leases. They were given last, if at all. */
export const UNDO_CLAIM = `
local Q, claim = ARGV[1], ARGV[2]
local q = load(Q)
if not q then return 0 end
local keys = call('ZRANGE', P .. 'leased:' .. Q, -1000, -1)
if #keys == 0 then return 0 end
local leases = call('HMGET', P .. 'lease:' .. Q, unpack(keys))
for i, key in ipairs(keys) do
  local _, score, expires, own = readLease(leases[i])
  if own == claim then
    call('ZREM', P .. 'leased:' .. Q, key)
    call('HDEL', P .. 'lease:' .. Q, key)
    back(q, key, score, expires, 0)
  end
end
save(q)
if q.freed > 0 then wake(Q, q.freed) end
return 1
`;
