// Illegal frames: random bytes, and legal frames with changes.
import { encodeFrames, FRAME, frame } from '@busbar/wire';

const FULL = process.env['BUSBAR_FULL'] === '1';
/** Number of frames in a test. */
export const FUZZ_FRAMES = FULL ? 100_000 : 4_000;

/** Random numbers from a seed, so that failures can be repeated. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Random = () => number;

const pick = <T>(random: Random, values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;

const OPS = [
  'queues.send',
  'queues.receive',
  'queues.settle',
  'queues.configure',
  'topics.publish',
  'topics.subscribe',
  'topics.bind',
  'kv.put',
  'kv.list',
  'kv.watch',
  'cursor.next',
  'cursor.close',
  'admin.browse',
  'admin.importState',
  'calls.serve',
  'calls.call',
  'constructor',
];
const KEYS = [
  'queue',
  'topic',
  'pattern',
  'messages',
  'message',
  'max',
  'cursor',
  'key',
  'prefix',
  'from',
  'limit',
  'address',
];
const VALUES: readonly unknown[] = [
  null,
  '',
  'q',
  'fuzz.a',
  '\u0000',
  '../x',
  'x'.repeat(600),
  0,
  1,
  -1,
  1e308,
  2 ** 53,
  true,
  [],
  [{}],
  [null],
  [[]],
  {},
  { after: 'x' },
  { toString: 1 },
  '__proto__',
];

/** The header of a request, with some illegal fields. */
export function oddHeader(random: Random): Record<string, unknown> {
  const header: Record<string, unknown> = {
    op: random() < 0.95 ? pick(random, OPS) : pick(random, VALUES),
    timeoutMs: 50,
  };
  for (let left = Math.floor(random() * 5); left > 0; left -= 1) header[pick(random, KEYS)] = pick(random, VALUES);
  if (header['waitMs'] === undefined && random() < 0.3) header['waitMs'] = pick(random, [0, 1, -1, 'x']);
  return header;
}

/** A well-formed frame with illegal content. */
export function oddFrame(random: Random): Buffer {
  const bodies = Array.from({ length: Math.floor(random() * 3) }, () => randomBytes(random, 40));
  return encodeFrames([frame(FRAME.request, Math.floor(random() * 2 ** 32), oddHeader(random), bodies)]);
}

/** Bytes that are most probably an illegal frame. Their sender should be disconnected. */
export function brokenFrame(random: Random): Buffer {
  const whole = encodeFrames([frame(pick(random, Object.values(FRAME)), Math.floor(random() * 9), oddHeader(random))]);
  const dice = random();
  if (dice < 0.25) return whole;
  if (dice < 0.5) return flip(random, whole);
  if (dice < 0.7) return whole.subarray(0, Math.floor(random() * whole.length));
  if (dice < 0.85) return Buffer.concat([whole, randomBytes(random, 20)]);
  return randomBytes(random, 200);
}

function flip(random: Random, bytes: Buffer): Buffer {
  for (let left = 1 + Math.floor(random() * 4); left > 0; left -= 1)
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
  return bytes;
}

function randomBytes(random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: Math.floor(random() * most) }, () => Math.floor(random() * 256)));
}
