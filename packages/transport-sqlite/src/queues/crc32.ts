/** The checksum of stored messages. */

import { crc32 as crc32OfNode } from 'node:zlib';

/** `zlib` takes 10 ms to load in Node: longer than these sums take here, in a process that handles few messages. */
const OWN_SUMS = 64;
const MAX_OWN = 4096;
const POLYNOMIAL = 0xedb88320;

const encoder = new TextEncoder();
let sums = 0;
let table: Int32Array | undefined;

/** The CRC-32 of RFC 1952, section 8, as zlib has it; with the sum of what came before `data`. */
export function crc32(data: string | Uint8Array, before = 0): number {
  if (sums >= OWN_SUMS || data.length > MAX_OWN) return crc32OfNode(data, before);
  sums += 1;
  return ownCrc32(typeof data === 'string' ? encoder.encode(data) : data, before);
}

/** The same, without zlib. */
export function ownCrc32(data: Uint8Array, before = 0): number {
  table ??= Int32Array.from({ length: 256 }, (_, byte) => remainderOf(byte));
  let sum = ~before;
  for (const byte of data) sum = (table[(sum ^ byte) & 0xff] ?? 0) ^ (sum >>> 8);
  return ~sum >>> 0;
}

function remainderOf(byte: number): number {
  let rest = byte;
  for (let bit = 0; bit < 8; bit += 1) rest = (rest & 1) === 1 ? (rest >>> 1) ^ POLYNOMIAL : rest >>> 1;
  return rest;
}
