// An agent of the move program: sends, consumes, publishes and locks until it is killed or told to end.
import { onParentMessage, sendToParent } from '@busbar/testbed';
import { BusbarError, connect } from '../../src/index.ts';
import { type Fact, now } from './facts.ts';

const [url = '', name = ''] = process.argv.slice(2);
const body = Buffer.from(JSON.stringify({ from: name }));
const PAUSE_MS = 20;
/** A move may take longer than a call of a command would wait. */
const TIMEOUT_MS = 120_000;
const call = { timeoutMs: TIMEOUT_MS };

const bus = await connect(url);
const { queues, topics } = bus.transport;
const report = (fact: Fact): Promise<void> => sendToParent(fact);
let isEnding = false;

await report({ kind: 'ready' });
const working = Promise.all([send(), consume(), lock()]);
onParentMessage(() => {
  isEnding = true;
  void working.then(() => bus.close()).then(() => process.exit(0));
});

/** One key and one topic of its own: the order of both is checked. */
async function send(): Promise<void> {
  for (let count = 0; !isEnding; count += 1) {
    const id = `${name}-${String(count).padStart(6, '0')}`;
    await ignoreUnknown(async () => {
      const [result] = await queues.send('work', [{ id, orderingKey: name, body }], call);
      if (result?.status === 'stored') await report({ kind: 'sent', id, key: name, at: now() });
    });
    await ignoreUnknown(async () => {
      const [result] = await topics.publish(`live.${name}`, [{ id, body }], call);
      if (result?.status === 'stored') await report({ kind: 'published', id, key: name, at: now() });
    });
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function consume(): Promise<void> {
  while (!isEnding) {
    await ignoreUnknown(async () => {
      for (const { id, orderingKey = '', receipt } of await queues.receive('work', { max: 5, waitMs: 500 })) {
        await report({ kind: 'handled', id, key: orderingKey, at: now() });
        const [result] = await queues.settle([{ receipt, action: 'ack' }], call);
        if (result?.status === 'done') await report({ kind: 'acked', id, at: now() });
      }
    });
  }
}

/** Few locks for many agents, so that their tokens come from all. */
async function lock(): Promise<void> {
  for (let count = 0; !isEnding; count += 1) {
    await ignoreUnknown(async () => {
      const held = await bus.lock(`lock-${count % 2}`, { waitMs: 5_000, leaseMs: 5_000 });
      await report({ kind: 'locked', lock: held.name, token: held.token, at: now() });
      await held.release();
    });
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** An error that may pass is no broken promise: the call was too slow, its outcome is unknown, or another agent has the lock. */
async function ignoreUnknown(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof BusbarError)) throw error;
    const isExpected = error.outcome === 'unknown' || error.retryable || error.code === 'LEASE_LOST';
    if (!isExpected) throw error;
  }
}
