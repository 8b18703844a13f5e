/** What a move writes into both stores beside the bus: followers read it. None of it is moved. */

import { isBusbarError, MOVE_KEY, type StateRecord, type Transport } from '@busbar/api/transport';
import type { StoreEnd } from '../store-end.ts';
import { CUT, MARK } from './move.ts';

/** Who fills the target. */
export interface Mark {
  /** The name of the source. */
  readonly from: string;
  /** The incarnation of the source. Another store may have its name later, and must not take this target for its own. */
  readonly incarnation: string | undefined;
  /** When the move began, in milliseconds since 1970. */
  readonly startedAt: number;
}

/** How a target continues its source. It stays in the target. */
export interface Cut {
  /** The move, as its source names it. */
  readonly id: string;
  /** How often the bus has moved. */
  readonly generation: number;
  /** The position in the target after the last event of the source. */
  readonly position: string | undefined;
}

/** The mark of a target, or undefined. */
export async function readMark({ kv }: Transport): Promise<Mark | undefined> {
  return parse<Mark>(await kv.get(MARK));
}

/** How a store continues another one, or undefined. */
export async function readCut({ kv }: Transport): Promise<Cut | undefined> {
  return parse<Cut>(await kv.get(CUT));
}

/** The last move that began in a store. */
export async function readMoveId({ kv }: Transport): Promise<string | undefined> {
  return parse<{ readonly id: string }>(await kv.get(MOVE_KEY))?.id;
}

/** Tells followers and workers of a source that it is about to close. */
export async function announceMove({ kv }: Transport, id: string): Promise<void> {
  await kv.put(MOVE_KEY, Buffer.from(JSON.stringify({ id })));
}

/** A value beside the bus as a record: a store that is closed takes imports only. */
export function recordOf(key: string, value: Mark | Cut | { readonly id: string }): StateRecord {
  const valueBase64 = Buffer.from(JSON.stringify(value)).toString('base64');
  return { kind: 'kv', key, valueBase64, revision: 1, createRevision: 1, ttlLeftMs: undefined };
}

/** Whether a store was being filled, and nothing has said yet that its move is complete. */
export async function isMarked(transport: Transport): Promise<boolean> {
  return (await readMark(transport)) !== undefined;
}

/** Whether a target holds the half copy of a move from `from`, which a new one may clear. */
export async function isHalfCopyOf({ name, transport }: StoreEnd, target: Transport): Promise<boolean> {
  const mark = await readMark(target);
  return mark?.from === name && mark.incarnation === transport.past?.incarnation;
}

/** Removes the mark of a target whose move is complete. */
export async function removeMark({ kv }: Transport): Promise<void> {
  await kv.delete(MARK).catch((error: unknown) => {
    if (!isBusbarError(error)) throw error;
  });
}

function parse<T>(entry: { readonly value: Uint8Array } | undefined): T | undefined {
  return entry && (JSON.parse(Buffer.from(entry.value).toString()) as T);
}
