/** Copies of what callers hand over, so that what they do with it afterwards changes nothing. */

const SLAB_BYTES = 8192;
const MAX_SHARED = 1024;
let slab = new ArrayBuffer(SLAB_BYTES);
let used = 0;

/**
 * A copy of `bytes`. Small ones share a buffer: an ArrayBuffer a message made up a third of what a send costs. So what
 * this returns may go to a backend, but never to a user, who could see others through its `buffer`.
 */
export function ownBytes(bytes: Uint8Array): Uint8Array {
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
