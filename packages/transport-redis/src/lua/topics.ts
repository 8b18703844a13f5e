/** Scripts that publish events. */

import { DELIVER } from './bindings.ts';
import { LOG } from './event-log.ts';
import { QUEUE } from './queue-state.ts';
import { BASE, type Script } from './script.ts';

/**
 * ARGV: topic, version of the bindings, dedupe ms, retention (events, bytes, ms), number of bound queues, their names, then
 * key, envelope, body of each event. Returns a letter and the log id of each, or 'stale' if the bindings have changed.
 */
export const PUBLISH: Script = QUEUE.with(LOG, DELIVER).denyOom(`
local topic = ARGV[1]
if (call('HGET', ns .. 'counters', 'bindings') or '0') ~= ARGV[2] then return 'stale' end
local base = 7 + tonumber(ARGV[7])
local n = (#ARGV - base) / 3
local members = {}
for i = 1, n do members[i] = topic .. '\\n' .. ARGV[base + 3 * i - 2] end
local known = call('ZMSCORE', ns .. 'log:dedupe', unpack(members))
local log = loadLog()
local results, newIds, windows, ids, keys, envelopes, bodies = {}, {}, {}, {}, {}, {}, {}
local windowEnd = now + tonumber(ARGV[3]) * 1000
for i = 1, n do
  local member = members[i]
  local earlier = newIds[member] or (known[i] and tonumber(known[i]) > now and call('HGET', ns .. 'log:dedupe-ids', member))
  if earlier then
    push(results, 'd', earlier)
  else
    local key, envelope, body = ARGV[base + 3 * i - 2], ARGV[base + 3 * i - 1], ARGV[base + 3 * i]
    local id = append(log, topic, key, envelope, body, nowMs)
    newIds[member] = id
    push(windows, windowEnd, member)
    push(ids, member, id)
    keys[#keys + 1] = key
    envelopes[#envelopes + 1] = envelope
    bodies[#bodies + 1] = body
    push(results, 's', id)
  end
end
if #keys == 0 then return results end
call('ZADD', ns .. 'log:dedupe', unpack(windows))
call('HSET', ns .. 'log:dedupe-ids', unpack(ids))
call('HINCRBY', ns .. 'topics', topic, #keys)
pruneEventIds(2 * #keys)
trim(log, tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]))
saveLog(log)
schedule('\\nlog', windowEnd)
for i = 8, base do
  local queue = load(ARGV[i])
  if queue then
    deliver(queue, keys, envelopes, bodies)
    saveAndWake(queue)
  end
end
notifySubscribers(topic, ids[2], lastId(log))
return results
`);

/** ARGV: topic, then one payload an event. Nothing is stored. */
export const PUBLISH_EPHEMERAL: Script = BASE.allowOom(`
for i = 2, #ARGV do
  call('SPUBLISH', ns .. 'topic:' .. ARGV[1], ARGV[i])
  call('SPUBLISH', ns .. 'topics', ARGV[i])
end
return 1
`);
