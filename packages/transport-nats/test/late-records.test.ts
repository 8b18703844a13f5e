// The ledger numbers the attempts of a message: a slow cluster may take the record of one receive after the next has begun.
import { expect, test } from 'vitest';
import { type Candidate, Leaser } from '../src/queues/lease.ts';
import type { Ledger, LedgerRecord } from '../src/queues/ledger.ts';
import type { QueueContext } from '../src/queues/queue-context.ts';
import type { KnownQueue } from '../src/queues/queue-record.ts';

const SEQ = 7;
const queue = { name: 'work', record: { inc: '00000000', settings: { leaseMs: 1_000, maxAttempts: 5 } } };
const candidate = {
  ...{ at: performance.now(), cseq: 1, attempt: 1, consumer: { name: 'c', lane: 'normal', ackWaitMs: 1_000 } },
  stored: { seq: SEQ, message: { id: 'm' }, envelope: {} },
};

/** A store whose ledger has `earlier` attempts when the record of the receive comes. */
function storeWith(earlier: number): QueueContext {
  let r = 0;
  const append = async (_name: string, record: LedgerRecord): Promise<{ seq: number }> => {
    if (record.k === 'r') r = record.r;
    return { seq: 1 };
  };
  const read = async (): Promise<Partial<Ledger>> => ({
    entries: new Map([
      [SEQ, { lane: 'normal', attempts: earlier + 1, history: [], lease: { r, end: 1, by: undefined }, dueAt: 0 }],
    ]),
    isSettled: () => false,
  });
  const store = {
    ...{ ledgers: { append, read }, names: {}, held: { add: () => undefined } },
    clock: { at: () => 0, now: 0, store: { now: 0 } },
    requests: { send: () => undefined, isUnsure: false, connection: { writeOut: () => undefined } },
  };
  return store as unknown as QueueContext;
}

test.each([0, 1, 3])('after %i attempts that the claim did not know', async (earlier) => {
  const leaser = new Leaser(storeWith(earlier));
  const [delivery] = await leaser.lease(queue as KnownQueue, [candidate as unknown as Candidate], undefined, true);
  expect(delivery?.attempt).toBe(earlier + 1);
});

test('one whose attempts are used up meanwhile is not delivered', async () => {
  const leaser = new Leaser(storeWith(5));
  expect(await leaser.lease(queue as KnownQueue, [candidate as unknown as Candidate], undefined, true)).toEqual([]);
});
