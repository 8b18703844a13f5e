/** Ranges of names and keys that start with a prefix. */

/** The upper bound of all keys that start with `prefix`, in the order of UTF-8 bytes: 0xff is no byte of UTF-8. */
export function prefixEnd(prefix: string): Buffer {
  return Buffer.concat([Buffer.from(prefix), Buffer.of(0xff)]);
}
