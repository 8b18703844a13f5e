/** Positions in the log: of which store, and which event. They compare as strings in the order of the log. */

import { BusbarError, invalid, quote } from '@busbar/api/transport';

const MS_DIGITS = 15;
const NUMBER_DIGITS = 10;

/** The position of an event by the id that the log has for it. */
export function toPosition(store: string, id: string): string {
  const [ms = '', number = ''] = id.split('-');
  return `${store}.${ms.padStart(MS_DIGITS, '0')}-${number.padStart(NUMBER_DIGITS, '0')}`;
}

/** The id in the log. Throws INVALID_ARGUMENT for a position of another store. */
export function parsePosition(store: string, position: string): string {
  const [, owner, ms, number] = /^([0-9a-z]+)\.(\d{15})-(\d{10})$/.exec(position) ?? [];
  if (owner === store) return `${Number(ms)}-${Number(number)}`;
  throw invalid(`${quote(position)} is no position of this store`, 'Use a position that this store gave.');
}

/** The order of two ids of the log. */
export function compareIds(one: string, other: string): number {
  const [ms = 0, number = 0] = one.split('-').map(Number);
  const [otherMs = 0, otherNumber = 0] = other.split('-').map(Number);
  return ms - otherMs || number - otherNumber;
}

/** The id behind which the events of a time begin. */
export function idBefore(time: number): string {
  return time <= 0 ? '0-0' : `${Math.ceil(time) - 1}-${'9'.repeat(NUMBER_DIGITS)}`;
}

/** Retention has overtaken a reader. */
export function positionExpired(): BusbarError {
  return new BusbarError('POSITION_EXPIRED', 'the events at this position are no longer kept', {
    hint: "Go on from 'start', and know that there is a gap.",
  });
}
