/** Positions in the event log: the id of the store and the number of an event. They compare as strings. */

import { BusbarError, invalid, quote } from '@busbar/api/transport';

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

/** The error of a subscriber whose next events retention has deleted. */
export function positionExpired(): BusbarError {
  return new BusbarError('POSITION_EXPIRED', 'retention has deleted events after this position', {
    hint: "Subscribe again from 'start' or 'new', or raise the retention.",
  });
}
