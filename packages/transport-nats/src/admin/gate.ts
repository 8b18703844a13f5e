/** Reads and changes the gate. Ends all leases when the store closes. */

import { type AdminDriver, toGate } from '@busbar/api/driver';
import type { StoreGate } from '../gate/store-gate.ts';
import type { LedgerOutcome } from '../queues/ledger.ts';
import type { KnownQueue } from '../queues/queue-record.ts';
import type { AdminContext, ImportContexts } from './admin-context.ts';

const AT_ONCE = 32;
const MAX_OUTCOMES = 2_000;

/** The methods of the gate. */
export function openGate(
  gate: StoreGate,
  { clock, notices, permissions, names }: AdminContext,
  imports: ImportContexts,
): Required<Pick<AdminDriver, 'gate' | 'setGate'>> {
  return {
    gate: async (context) => toGate(await gate.read(context), clock.middle),
    setGate: async (change, context) => {
      permissions.assertMayMove(names);
      const { gate: next, isClosing, isComplete } = await gate.set(change, context);
      // A receive may go by the gate as it was.
      if (next.state === 'draining') await notices.settled();
      if (isClosing) await finishQueues(imports.at(next.revision));
      if (isComplete) return toGate(next, clock.middle);
      // The time of the gate begins now.
      const renewed = await gate.set({ ...change, ifRevision: next.revision }, context);
      return toGate(renewed.gate, clock.middle);
    },
  };
}

/** Ends all leases, and copies the events that bound queues do not have yet. */
async function finishQueues(context: AdminContext): Promise<void> {
  const queues = (await context.records.list()).filter(({ record }) => context.records.isSeen(record));
  for (let from = 0; from < queues.length; from += AT_ONCE) {
    await Promise.all(queues.slice(from, from + AT_ONCE).map((queue) => finishQueue(context, queue)));
  }
}

async function finishQueue(context: AdminContext, queue: KnownQueue): Promise<void> {
  const { bindings, views } = context;
  if (queue.record.bindings.length > 0) await bindings.finish(queue);
  // Messages without attempts left become dead letters.
  if (await endLeases(context, queue)) await views.view((await context.records.read(queue.name)) ?? queue, 'states');
}

/** Ends the leases of a queue; false where there are none. */
async function endLeases({ ledgers, consumers, clock }: AdminContext, queue: KnownQueue): Promise<boolean> {
  const { name, record } = queue;
  const ledger = await ledgers.read(name, record.inc);
  const ended: LedgerOutcome[] = [];
  for (const [seq, { lane, lease }] of ledger.entries) {
    if (lease === undefined || lease.end <= clock.store.dueNow) continue;
    ended.push({ did: 'retry', lane, seq, r: lease.r, outcome: 'expired' });
  }
  for (let from = 0; from < ended.length; from += MAX_OUTCOMES) {
    const other = ended.slice(from, from + MAX_OUTCOMES);
    await ledgers.append(name, { k: 's', inc: record.inc, acked: {}, other });
  }
  if (!record.direct) {
    for (const [lane, outcomes] of Map.groupBy(ended, (one) => one.lane)) {
      const seqs = outcomes.map(({ seq }) => seq);
      await consumers.takeBack(queue, lane, seqs);
    }
  }
  return ended.length > 0;
}
