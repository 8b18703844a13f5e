/** The store header of a namespace: the format of its keys, and ids. */

import { checkStoreFormat, newStoreHeader, type StoreHeader } from '@busbar/api/driver';
import { BusbarError, newId } from '@busbar/api/transport';
import type { Settings } from '../options.ts';
import type { Connection } from './connection.ts';

/** The format that this version writes. */
const FORMAT = 2;

/** An id for the positions of a new namespace. Unlike the incarnation it stays when the namespace is cleared. */
export function newStoreId(): string {
  return newId().replaceAll('-', '');
}

/** The header of a new namespace. */
export function newHeader(): StoreHeader {
  return newStoreHeader(FORMAT);
}

/**
 * Throws CONFLICT if a newer version has written the namespace, or if it has data of an older format, which none but builds
 * before the first release have written. A new namespace has no format.
 */
export async function checkFormat(
  connection: Pick<Connection, 'send'>,
  prefix: string,
  { ns }: Pick<Settings, 'ns'>,
): Promise<void> {
  const format = await connection.send('HGET', [`${prefix}header`, 'format']);
  const store = ns === '' ? 'the namespace' : `the namespace ${ns}`;
  if (format === null || !checkStoreFormat(Number(format), FORMAT, store)) return;
  const held = await connection.send('EXISTS', [`${prefix}queues`, `${prefix}kv:keys`]);
  if (Number(held) > 0 || Number(await connection.send('XLEN', [`${prefix}log`])) > 0) {
    throw new BusbarError('CONFLICT', `${store} has data of format ${format}, this version reads format ${FORMAT}`, {
      hint: 'Export it with the version that wrote it, and import it into an empty namespace.',
    });
  }
  await connection.send('HSET', [`${prefix}header`, 'format', String(FORMAT)]);
}
