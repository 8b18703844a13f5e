/** Positions in the log: the store they belong to, and the number of an event, so that they compare as strings. */

import { BusbarError, invalid, quote } from '@busbar/api/transport';

const DIGITS = 16;

/** The position of event `seq`. */
export function toPosition(storeId: string, seq: number): string {
  return `${storeId}-${String(seq).padStart(DIGITS, '0')}`;
}

/** The number of the event at `position`. Throws INVALID_ARGUMENT for one of another store. */
export function parsePosition(storeId: string, position: string): number {
  const match = /^([0-9a-f]{16})-(\d{16})$/.exec(position);
  if (match?.[1] === storeId) return Number(match[2]);
  throw invalid(
    `${quote(position)} is not a position of this store`,
    'Positions hold within the store that gave them; begin with start, new or a time.',
  );
}

/** What a subscriber gets whose events retention has taken. */
export function expired(): BusbarError {
  return new BusbarError('POSITION_EXPIRED', 'events after this position are gone by retention', {
    hint: "Begin again with 'start' or 'new', or keep more history.",
  });
}
