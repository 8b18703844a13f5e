/** The entries of settlements, for a driver that cannot put them in one step with the settlements. */

import { BusbarError, toBusbarError } from '../contract/errors.ts';
import type { KvPut } from '../contract/kv.ts';

/** Puts the entries of settlements that have taken effect, of each key the last. Rejects with the outcome `unknown`. */
export async function putEntries(entries: readonly KvPut[], put: (entry: KvPut) => Promise<unknown>): Promise<void> {
  const byKey = new Map(entries.map((entry) => [entry.key, entry]));
  const puts = await Promise.allSettled([...byKey.values()].map(put));
  const failed = puts.find(({ status }) => status === 'rejected');
  if (failed?.status !== 'rejected') return;
  const { code, message, hint } = toBusbarError(failed.reason);
  const text = `messages were settled, but an entry was not stored: ${message}`;
  throw new BusbarError(code, text, { outcome: 'unknown', hint, cause: failed.reason });
}
