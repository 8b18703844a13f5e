import { crc32 as crc32OfNode } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { propertySeed } from '../../../../test/property-seed.ts';
import { crc32, ownCrc32 } from '../../src/queues/crc32.ts';

test('both sums are those of zlib, also of parts', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
      const expected = crc32OfNode(bytes);
      expect(ownCrc32(bytes)).toBe(expected);
      expect(ownCrc32(bytes.subarray(cut), ownCrc32(bytes.subarray(0, cut)))).toBe(expected);
    }),
    propertySeed,
  );
});

test('a process has one sum for a text, before zlib is loaded and after', () => {
  for (const text of ['', 'plain', 'ä€😀\ud800', 'long'.repeat(2000)]) {
    const sums = new Set(Array.from({ length: 100 }, () => crc32(text)));
    expect([...sums]).toEqual([crc32OfNode(text)]);
  }
});
