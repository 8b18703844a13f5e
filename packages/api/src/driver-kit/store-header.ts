/** The header that every store carries: its format and its incarnation. The gate stands beside it. */

import { BusbarError } from '../contract/errors.ts';
import { newId } from '../contract/id.ts';

/** The header of a store, or of each namespace where a store has no other place. */
export interface StoreHeader {
  /** The version of the layout, 1 or more. */
  readonly format: number;
  /** A random id, made with the store and made again when the store is cleared or recreated. */
  readonly incarnation: string;
}

/** The header of a new store. */
export function newStoreHeader(format: number): StoreHeader {
  return { format, incarnation: newId() };
}

/**
 * Throws CONFLICT when a newer version has written the store. Returns whether the store has an older format, which the
 * driver migrates. `store` names it in the error, such as `the file ./bus.db`.
 */
export function checkStoreFormat(found: number, known: number, store: string): boolean {
  if (found <= known) return found < known;
  throw new BusbarError('CONFLICT', `${store} has format ${found}, this version knows formats up to ${known}`, {
    hint: 'A newer version of Busbar has written the store: update this one. The store was not changed.',
  });
}
