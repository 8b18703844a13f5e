/** A page of names as a range of ZRANGE BYLEX, which orders by bytes. */

import type { PageQuery } from '@busbar/api/driver';
import { compareUtf8 } from '@busbar/api/transport';
import type { Argument } from '../connection/connection.ts';

/** UTF-8 text never holds this byte. */
const BEYOND = Buffer.from([0xff]);

/** The range of names that start with `prefix` and follow `after`. */
export function lexRange(prefix: string, after: PageQuery['after']): readonly [from: Argument, to: Argument] {
  const to = prefix === '' ? '+' : Buffer.concat([Buffer.from(`(${prefix}`), BEYOND]);
  if (after !== undefined && compareUtf8(after, prefix) >= 0) return [`(${after}`, to];
  return [prefix === '' ? '-' : `[${prefix}`, to];
}
