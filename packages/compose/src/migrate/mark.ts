/** The mark of a move in its target: a retry knows its own half copy by it. */

import { isBusbarError, type StateRecord, type Transport } from '@busbar/api/transport';
import { MARK } from './move.ts';

/** Who fills the target. */
export interface Mark {
  /** The name of the source. */
  readonly from: string;
  /** When the move began, in milliseconds since 1970. */
  readonly startedAt: number;
}

/** The mark of a target, or undefined. */
export async function readMark({ kv }: Transport): Promise<Mark | undefined> {
  const entry = await kv.get(MARK);
  return entry && (JSON.parse(Buffer.from(entry.value).toString()) as Mark);
}

/** The mark as a record: a closed target takes imports only. */
export function markRecord(mark: Mark): StateRecord {
  const valueBase64 = Buffer.from(JSON.stringify(mark)).toString('base64');
  return { kind: 'kv', key: MARK, valueBase64, revision: 1, createRevision: 1, ttlLeftMs: undefined };
}

/** Removes the mark of a target that is open. One that is left over does no harm. */
export async function removeMark({ kv }: Transport): Promise<void> {
  await kv.delete(MARK).catch((error: unknown) => {
    if (!isBusbarError(error)) throw error;
  });
}
