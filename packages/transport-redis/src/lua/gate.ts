/** The gate of a namespace, which every script reads, and the scripts that change it. */

import { QUEUE } from './queue-state.ts';
import { BASE, type Script } from './script.ts';

const REPLY = `
local left = gate.ends > 0 and num(gate.ends - clock) or ''
return { gate.state, num(gate.revision), gate.movedTo, left }
`;

/** Returns state, revision, where the bus is or '', microseconds until it falls back or ''. */
export const READ_GATE: Script = BASE.allowOom(REPLY);

/**
 * ARGV: the present revision, the new state, where the bus is or '', microseconds until it falls back or ''. Changes nothing
 * at another revision. Returns whether it changed the gate, then what READ_GATE returns.
 */
export const SET_GATE: Script = BASE.allowOom(`
local isPresent = gate.revision == tonumber(ARGV[1])
if isPresent then
  if gate.state ~= ARGV[2] then changeGate(ARGV[2]) end
  gate.movedTo = ARGV[3]
  gate.ends = ARGV[4] == '' and 0 or clock + ARGV[4]
  saveGate()
end
local left = gate.ends > 0 and num(gate.ends - clock) or ''
return { isPresent and 1 or 0, gate.state, num(gate.revision), gate.movedTo, left }
`);

/** ARGV: queues. Ends a step of their leases in a closed store. Returns whether some are left. */
export const END_LEASES: Script = QUEUE.allowOom(`
if gate.stopped == 0 then return 0 end
local isMore = 0
for _, name in ipairs(ARGV) do
  local leased = call('ZRANGE', ns .. 'leased:' .. name, 0, STEP - 1)
  local queue = #leased > 0 and load(name)
  if queue then
    for _, key in ipairs(leased) do
      local lease = call('HGET', ns .. 'lease-info:' .. name, key)
      call('ZREM', ns .. 'leased:' .. name, key)
      call('HDEL', ns .. 'lease-info:' .. name, key)
      rescue(queue, key, lease)
    end
    save(queue)
    if #leased == STEP then isMore = 1 end
  end
end
return isMore
`);

/** Wakes the processes that wait for messages, since the gate has changed. */
export const WAKE_ALL: Script = QUEUE.allowOom(`
for _, name in ipairs(call('ZRANGE', ns .. 'waiting-queues', 0, -1)) do wake(name, 100) end
return 1
`);
