/** The store header of a namespace, the hash `header`: the format of its keys, and its incarnation. */

import { BusbarError } from '@busbar/api/transport';

/** The format that this version writes. */
export const FORMAT = 1;

/** Throws CONFLICT if a newer version has written the namespace. A new namespace has no format. */
export function checkFormat(format: unknown): void {
  if (format === null || Number(format) <= FORMAT) return;
  throw new BusbarError(
    'CONFLICT',
    `the namespace has format ${String(format)}; this version supports up to ${FORMAT}`,
    {
      hint: 'Update @busbar/transport-redis in this process.',
    },
  );
}
