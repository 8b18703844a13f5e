/** The store header of a namespace: the format of its keys, and ids. */

import { checkStoreFormat, newStoreHeader, type StoreHeader } from '@busbar/api/driver';
import { newId } from '@busbar/api/transport';
import type { Settings } from '../options.ts';

/** The format that this version writes. */
const FORMAT = 1;

/** An id for the positions of a new namespace. Unlike the incarnation it stays when the namespace is cleared. */
export function newStoreId(): string {
  return newId().replaceAll('-', '');
}

/** The header of a new namespace. */
export function newHeader(): StoreHeader {
  return newStoreHeader(FORMAT);
}

/** Throws CONFLICT if a newer version has written the namespace. A new namespace has no format. */
export function checkFormat(format: unknown, { ns }: Pick<Settings, 'ns'>): void {
  if (format !== null) checkStoreFormat(Number(format), FORMAT, ns === '' ? 'the namespace' : `the namespace ${ns}`);
}
