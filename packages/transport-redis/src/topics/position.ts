/** Positions: the id of the store and a log id. They compare as strings in the order of the log. */

import { invalid, quote } from '@busbar/api/transport';

const MS_DIGITS = 15;
const NUMBER_DIGITS = 10;

export function toPosition(storeId: string, id: string): string {
  const [ms = '', number = ''] = id.split('-');
  return `${storeId}.${ms.padStart(MS_DIGITS, '0')}-${number.padStart(NUMBER_DIGITS, '0')}`;
}

/** The log id of a position. Throws INVALID_ARGUMENT for a position of another store. */
export function parsePosition(storeId: string, position: string): string {
  const [, owner, ms, number] = /^([0-9a-z]+)\.(\d{15})-(\d{10})$/.exec(position) ?? [];
  if (owner === storeId) return `${Number(ms)}-${Number(number)}`;
  throw invalid(`${quote(position)} is not a position of this store`, 'Use a position that this store returned.');
}

/** Compares log ids: negative, 0 or positive. */
export function compareIds(one: string, other: string): number {
  if (one === other) return 0;
  const [ms = 0, number = 0] = one.split('-').map(Number);
  const [otherMs = 0, otherNumber = 0] = other.split('-').map(Number);
  return ms - otherMs || number - otherNumber;
}

export function laterId(one: string, other: string): string {
  return compareIds(one, other) > 0 ? one : other;
}

export function earlierId(one: string, other: string): string {
  return compareIds(one, other) < 0 ? one : other;
}

/** The greatest id before the events of a time. */
export function idBeforeTime(time: number): string {
  return time <= 0 ? '0-0' : `${Math.ceil(time) - 1}-${'9'.repeat(NUMBER_DIGITS)}`;
}

/** The greatest id before `id`; an event with this id need not exist. */
export function idBefore(id: string): string {
  const [ms = 0, number = 0] = id.split('-').map(Number);
  return number > 0 ? `${ms}-${number - 1}` : `${Math.max(0, ms - 1)}-${'9'.repeat(NUMBER_DIGITS)}`;
}
