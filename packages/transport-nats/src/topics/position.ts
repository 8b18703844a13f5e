/** Positions in the log of topics: the sequence of an event, good in one store only. */

import { invalid, quote } from '@busbar/api/transport';

const DIGITS = 16;

export function toPosition(storeId: string, seq: number): string {
  return `${storeId}.${String(seq).padStart(DIGITS, '0')}`;
}

/** The sequence of a position. Throws INVALID_ARGUMENT for that of another store, or one that no event can have yet. */
export function parsePosition(storeId: string, position: string, last: number): number {
  const [store, digits = '', ...rest] = position.split('.');
  const seq = Number(digits);
  if (store === storeId && rest.length === 0 && /^\d{16}$/.test(digits) && seq <= last) return seq;
  throw invalid(`${quote(position)} is no position of this store`, 'Use a position that this store gave.');
}
