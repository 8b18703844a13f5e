/** Settlements on the fast side. Their entries are keys of the durable side. */

import { type CallContext, putEntries } from '@busbar/api/driver';
import { type KvPut, newId, type Settlement, type SettleResult } from '@busbar/api/transport';
import { timeoutOf } from '../../inner/calls.ts';
import type { Sides } from '../sides.ts';

/** How long the fast side keeps the mark of a last attempt. It is deleted when it was read. */
const MARK_TTL_MS = 60_000;
const NOTHING = new Uint8Array(0);

/** Settles on the fast side, then puts the entries of what took effect. Which retry was the last, a mark on the fast side shows. */
export async function settleFast(
  { fast, durable }: Sides,
  settlements: readonly Settlement[],
  context: CallContext,
): Promise<SettleResult[]> {
  const marks = new Map<KvPut, string>();
  const inner = settlements.map((settlement): Settlement => {
    const { entry, action } = settlement;
    if (entry === undefined) return settlement;
    if (action !== 'retry') return { ...settlement, entry: undefined };
    const key = `$last/${newId()}`;
    marks.set(entry, key);
    return { ...settlement, entry: { key, value: NOTHING, ttlMs: MARK_TTL_MS } };
  });
  const results = await fast.queues.settle(inner, context);
  const entries = settlements.flatMap(({ entry }, index) => (results[index]?.status === 'done' ? (entry ?? []) : []));
  if (entries.length === 0) return results;
  const bounds = { timeoutMs: timeoutOf(context) };
  await putEntries(entries, async (entry) => {
    const { key, value, ttlMs } = entry;
    const mark = marks.get(entry);
    const isPut = mark === undefined || (await fast.transport.kv.delete(mark, bounds)).status === 'deleted';
    if (isPut) await durable.transport.kv.put(key, value, { ttlMs, ...bounds });
  });
  return results;
}
