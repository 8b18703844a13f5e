import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { propertySeed } from '../../../test/property-seed.ts';
import { encodeFrames, FRAME, type Frame, FrameReader, frame, MAX_FRAME_BYTES } from '../src/frames/frame.ts';

const anyFrame = fc
  .record({
    type: fc.constantFrom(...Object.values(FRAME)),
    id: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    header: fc.dictionary(fc.string({ unit: 'grapheme' }), fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer())),
    bodies: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }),
  })
  .map(({ type, id, header, bodies }) => frame(type, id, header, bodies));

const plain = ({ type, id, header, bodies }: Frame): unknown => [
  type,
  id,
  { ...header },
  bodies.map((each) => [...each]),
];

describe('frames', () => {
  test('are decoded as they were encoded, from chunks of any size', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 6 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 90 })),
        (sent, cuts) => {
          const bytes = encodeFrames(sent);
          const reader = new FrameReader();
          const got: unknown[] = [];
          for (let at = 0; at < bytes.length; ) {
            const step = cuts.next().value;
            got.push(...reader.read(bytes.subarray(at, at + step)).map(plain));
            at += step;
          }
          expect(got).toEqual(sent.map(plain));
          expect(reader.isPartial).toBe(false);
        },
      ),
      propertySeed,
    );
  });

  test('have the form that docs/protocol.md describes', () => {
    const bytes = encodeFrames([frame(FRAME.request, 7, { op: 'x' }, [Buffer.from('hi'), Buffer.alloc(0)])]);
    expect(bytes.toString('hex')).toBe(
      `0000001d0300000007${'0000000a'}${Buffer.from('{"op":"x"}').toString('hex')}${'00000002'}6869${'00000000'}`,
    );
  });

  test.each([
    ['of a length over the limit', '00400001', /over the limit/],
    ['of a length that holds nothing', '00000008', /too short/],
    ['without a type', `00000009${'00'.repeat(9)}`, /unknown frame type 0/],
    ['of an unknown type', `0000000b${'ff'}${'00'.repeat(4)}00000002${'7b7d'}`, /unknown frame type 255/],
    [
      'with a header longer than itself',
      `0000000b${'03'}${'00'.repeat(4)}00000003${'7b7d'}`,
      /header of a frame is longer/,
    ],
    ['with a header that is not JSON', `0000000b${'03'}${'00'.repeat(4)}00000002${'7b7b'}`, /not JSON/],
    ['with a header that is a list', `0000000b${'03'}${'00'.repeat(4)}00000002${'5b5d'}`, /not an object/],
    [
      'with a body longer than itself',
      `00000010${'03'}${'00'.repeat(4)}00000002${'7b7d'}0000000200`,
      /body in a frame is longer/,
    ],
    [
      'with half a length of a body',
      `0000000d${'03'}${'00'.repeat(4)}00000002${'7b7d'}0000`,
      /body in a frame is longer/,
    ],
  ])('%s are refused', (_, hex, why) => {
    expect(() => new FrameReader().read(Buffer.from(hex, 'hex'))).toThrow(why);
  });

  test('take no memory before their bytes arrive', () => {
    const before = process.memoryUsage().arrayBuffers;
    const header = Buffer.alloc(4);
    header.writeUInt32BE(MAX_FRAME_BYTES);
    const readers = Array.from({ length: 200 }, () => new FrameReader());
    for (const reader of readers) reader.read(header);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4_000_000);
  });

  test('in chunks of one byte take time and memory in proportion to their size', () => {
    const reader = new FrameReader();
    const bytes = encodeFrames([frame(FRAME.request, 1, {}, [Buffer.alloc(300_000, 1)])]);
    let got = 0;
    for (const [at] of bytes.entries()) got += reader.read(bytes.subarray(at, at + 1)).length;
    expect(got).toBe(1);
  });
});
