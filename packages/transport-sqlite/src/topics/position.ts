/** Positions in the event log: the id of the store and the number of an event. They compare as strings. */

import { invalid, quote } from '@busbar/api/transport';

const DIGITS = 16;

/** The position of event `seq`. */
export function toPosition(storeId: string, seq: number): string {
  return `${storeId}-${String(seq).padStart(DIGITS, '0')}`;
}

/** The number of the event at `position`. Throws INVALID_ARGUMENT for a position of another store. */
export function parsePosition(storeId: string, position: string): number {
  const match = /^([0-9a-f]{16})-(\d{16})$/.exec(position);
  if (match?.[1] === storeId) return Number(match[2]);
  throw invalid(
    `${quote(position)} is not a position of this store`,
    'A position is valid in the store that returned it; use start, new or a time.',
  );
}
