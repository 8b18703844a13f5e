/** Random bytes for ids. */

const IN_PAGE = globalThis.process === undefined;
const RANDOM_DEVICE = '/dev/urandom';
const POOL_BYTES = 2048;
const pool = new Uint8Array(POOL_BYTES);
let used = POOL_BYTES;
let isFirst = true;

/** A random byte of a cryptographic source. */
export function randomByte(): number {
  if (used === POOL_BYTES) {
    if (IN_PAGE || !readFirst(pool)) crypto.getRandomValues(pool);
    used = 0;
  }
  return pool[used++] as number;
}

/**
 * `crypto` takes 10 ms to load in Node, a tenth of the time of a short command. So the first bytes of a process come from the
 * system, where it has a device for them. Returns whether it has filled all: an ordinary file in the place of the device would
 * give each process the same bytes.
 */
function readFirst(bytes: Uint8Array): boolean {
  if (!isFirst) return false;
  isFirst = false;
  try {
    const { closeSync, fstatSync, openSync, readSync } = process.getBuiltinModule('node:fs');
    const file = openSync(RANDOM_DEVICE, 'r');
    try {
      return fstatSync(file).isCharacterDevice() && readSync(file, bytes) === bytes.length;
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
}
