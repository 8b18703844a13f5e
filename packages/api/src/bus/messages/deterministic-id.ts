/** Deterministic ids: name-based UUIDs, version 5 of RFC 9562. */

// The namespace of Busbar, as bytes: 4b9f0b8e-3c1f-5d56-9a34-62757362a172.
const NAMESPACE = [0x4b, 0x9f, 0x0b, 0x8e, 0x3c, 0x1f, 0x5d, 0x56, 0x9a, 0x34, 0x62, 0x75, 0x73, 0x62, 0xa1, 0x72];
const encoder = new TextEncoder();
const words = new Int32Array(80);

/** The id of `name`: the same on every machine, different for every other name. */
export function deriveId(name: string): string {
  const [a, b, c, d] = sha1(pad(encoder.encode(name)));
  const hex = [a, (b & 0xffff0fff) | 0x5000, (c & 0x3fffffff) | 0x80000000, d].map(toHex).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** 64 bits of `bytes` as text: MurmurHash3 with two seeds. Faster than SHA-1, for large bodies; not for secrets. */
export function fingerprint(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let [one, other] = [0x3c1f5d56, 0x62757362];
  const whole = bytes.byteLength & ~3;
  for (let at = 0; at < whole; at += 4) {
    const word = scramble(view.getUint32(at, true));
    one = Math.imul(rotate(one ^ word, 13), 5) + 0xe6546b64;
    other = Math.imul(rotate(other ^ word, 19), 5) + 0x561ccd1b;
  }
  let rest = 0;
  for (let at = whole; at < bytes.byteLength; at += 1) rest = (rest << 8) | view.getUint8(at);
  rest = scramble(rest);
  return toHex(finish(one ^ rest ^ bytes.byteLength)) + toHex(finish(other ^ rotate(rest, 16) ^ bytes.byteLength));
}

function scramble(word: number): number {
  return Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
}

function finish(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** Namespace and name padded for SHA-1: a 1 bit, zeros and the length in bits, in blocks of 64 bytes. */
function pad(name: Uint8Array): DataView {
  const length = NAMESPACE.length + name.length;
  const bytes = new Uint8Array(Math.ceil((length + 9) / 64) * 64);
  bytes.set(NAMESPACE);
  bytes.set(name, NAMESPACE.length);
  bytes[length] = 0x80;
  const view = new DataView(bytes.buffer);
  view.setUint32(bytes.length - 4, length * 8);
  return view;
}

// WebCrypto's digest is asynchronous and would change the order of sends that are not awaited.
function sha1(view: DataView): [number, number, number, number] {
  let [h0, h1, h2, h3, h4] = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476, 0xc3d2e1f0 | 0];
  for (let block = 0; block < view.byteLength; block += 64) {
    for (let i = 0; i < 80; i += 1) words[i] = i < 16 ? view.getInt32(block + i * 4) : rotate(mixed(i), 1);
    let [a, b, c, d, e] = [h0, h1, h2, h3, h4];
    for (let i = 0; i < 80; i += 1) {
      const next = (rotate(a, 5) + round(i, b, c, d) + e + (words[i] ?? 0)) | 0;
      e = d;
      d = c;
      c = rotate(b, 30);
      b = a;
      a = next;
    }
    h0 = (h0 + a) | 0;
    h1 = (h1 + b) | 0;
    h2 = (h2 + c) | 0;
    h3 = (h3 + d) | 0;
    h4 = (h4 + e) | 0;
  }
  return [h0, h1, h2, h3];
}

function mixed(i: number): number {
  return (words[i - 3] ?? 0) ^ (words[i - 8] ?? 0) ^ (words[i - 14] ?? 0) ^ (words[i - 16] ?? 0);
}

function round(i: number, b: number, c: number, d: number): number {
  if (i < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (i < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (i < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

function toHex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
