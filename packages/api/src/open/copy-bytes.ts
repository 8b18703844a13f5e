/** Copies of bytes that callers hand over, so that they may change theirs afterwards. */

const SLAB_BYTES = 8192;
const MAX_SHARED = 1024;
let slab = new ArrayBuffer(SLAB_BYTES);
let used = 0;

/**
 * A copy of `bytes`. Small copies share an ArrayBuffer, since one for each message was a third of the cost of a send. So
 * the copy may go to a driver, but never to a user, who could read other messages through its `buffer`.
 */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  const { byteLength } = bytes;
  if (byteLength > MAX_SHARED) return new Uint8Array(bytes);
  if (used + byteLength > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES);
    used = 0;
  }
  const own = new Uint8Array(slab, used, byteLength);
  own.set(bytes);
  used += byteLength;
  return own;
}
