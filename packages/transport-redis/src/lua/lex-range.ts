/** Where a page of names begins and ends, as ZRANGE BYLEX has it: in the order of their bytes. */

import type { PageQuery } from '@busbar/api/driver';
import { compareUtf8 } from '@busbar/api/transport';
import type { Argument } from '../connection/connection.ts';

/** No text in UTF-8 holds this byte. */
const BEYOND = Buffer.from([0xff]);

/** The names that start with `prefix`, behind `after`. */
export function lexRange(prefix: string, after: PageQuery['after']): readonly [from: Argument, to: Argument] {
  const to = prefix === '' ? '+' : Buffer.concat([Buffer.from(`(${prefix}`), BEYOND]);
  if (after !== undefined && compareUtf8(after, prefix) >= 0) return [`(${after}`, to];
  return [prefix === '' ? '-' : `[${prefix}`, to];
}
