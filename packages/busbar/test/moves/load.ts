// What a bus holds while it moves: pending and delayed messages, dead letters, history and keys.
import type { StateRecord } from '@busbar/api/transport';
import type { Bus } from '../../src/index.ts';

const BATCH = 2_000;
const KEYS = 1_000;
const HOUR_MS = 3_600_000;
const text = Buffer.from(JSON.stringify({ task: 'x'.repeat(180) }));

/** How much of each. */
export interface Load {
  readonly messages: number;
  readonly events: number;
  readonly delayed: number;
  readonly dead: number;
  readonly keys: number;
}

/** The load of a move with this many pending messages: the same proportions as the figures in the runbook. */
export function loadOf(messages: number): Load {
  const share = (part: number): number => Math.max(1, Math.round(messages * part));
  return { messages, events: share(0.1), delayed: share(0.02), dead: share(0.005), keys: share(0.02) };
}

/** Fills a bus. */
export async function fill({ transport: { queues, topics, kv } }: Bus, load: Load): Promise<void> {
  // Each kill of an agent ends an attempt.
  await queues.configure('work', { leaseMs: 5_000, maxAttempts: 1_000 });
  for (const ids of batches('p', load.messages)) {
    const messages = ids.map((id, index) => ({ id, body: text, orderingKey: `k${index % KEYS}` }));
    await queues.send('backlog', messages);
  }
  for (const ids of batches('l', load.delayed)) {
    await queues.send(
      'later',
      ids.map((id) => ({ id, body: text, delayMs: HOUR_MS })),
    );
  }
  for (const ids of batches('e', load.events)) {
    await topics.publish(
      'history.all',
      ids.map((id) => ({ id, body: text })),
    );
  }
  for (const ids of batches('d', load.dead)) {
    await queues.send(
      'failed',
      ids.map((id) => ({ id, body: text })),
    );
  }
  for (let left = load.dead; left > 0; ) {
    const deliveries = await queues.receive('failed', { max: 1_000 });
    await queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'reject', reason: 'broken' })));
    left -= deliveries.length;
  }
  for (const ids of batches('key/', load.keys)) {
    await Promise.all(ids.map((id, index) => kv.put(id, text, index % 2 === 0 ? {} : { ttlMs: HOUR_MS })));
  }
}

/** What is missing of the load, in words. Pending messages must be in the order of their keys. */
export async function missingOf({ transport }: Bus, load: Load): Promise<string[]> {
  const counts = { messages: 0, delayed: 0, dead: 0, events: 0, keys: 0 };
  const last = new Map<string, string>();
  const faults: string[] = [];
  for await (const record of transport.admin.exportState()) {
    const kind = kindOf(record);
    if (kind !== undefined) counts[kind] += 1;
    if (kind !== 'messages' || record.kind !== 'message') continue;
    const { id, orderingKey = '' } = record.message.message;
    if (id < (last.get(orderingKey) ?? '')) faults.push(`${id} is behind ${last.get(orderingKey)}`);
    last.set(orderingKey, id);
  }
  for (const kind of ['messages', 'delayed', 'dead', 'events', 'keys'] as const) {
    if (counts[kind] !== load[kind]) faults.push(`${counts[kind]} of ${load[kind]} ${kind}`);
  }
  return faults.slice(0, 10);
}

function kindOf(record: StateRecord): keyof Load | undefined {
  if (record.kind === 'event') return record.topic === 'history.all' ? 'events' : undefined;
  if (record.kind === 'kv') return record.key.startsWith('key/') ? 'keys' : undefined;
  if (record.kind !== 'message') return undefined;
  const kinds: Record<string, keyof Load> = { backlog: 'messages', later: 'delayed', failed: 'dead' };
  return kinds[record.queue];
}

function* batches(prefix: string, total: number): Generator<string[]> {
  for (let at = 0; at < total; at += BATCH) {
    const size = Math.min(BATCH, total - at);
    yield Array.from({ length: size }, (_, index) => `${prefix}${String(at + index).padStart(7, '0')}`);
  }
}
