/** Damages the files of a store and checks that the damage is detected. */

import { writeFile } from 'node:fs/promises';
import { isBusbarError } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import type { TestContext } from '../context/test-context.ts';
import { Snapshot } from './store-files.ts';

/** One kind of damage to a file. */
interface Damage {
  readonly what: string;
  /** False for flipped bits: no rule promises checksums of stored data, only clear errors. */
  readonly mustBeNoticed: boolean;
  readonly apply: (content: Buffer, random: () => number) => Buffer;
}

const FLIPS = 12;

/** Damage that a disk, a copy or a faulty tool causes. */
export const DAMAGES: readonly Damage[] = [
  { what: 'cut to half', mustBeNoticed: true, apply: (content) => content.subarray(0, content.length >> 1) },
  { what: 'cut by a few bytes', mustBeNoticed: true, apply: (content) => content.subarray(0, content.length - 100) },
  { what: 'with another beginning', mustBeNoticed: true, apply: (content) => content.fill(0x5a, 0, 100) },
  {
    what: 'with zeros in its middle',
    mustBeNoticed: true,
    apply: (content) => content.fill(0, content.length >> 2, content.length >> 1),
  },
  ...Array.from({ length: FLIPS }, (_, index) => ({
    what: `with flipped bits (${index + 1})`,
    mustBeNoticed: false,
    apply: flip,
  })),
];

/**
 * Damages the store in every way. Asserts that each loss is reported, and only by a BusbarError. Closes the clients of
 * the test context.
 */
export async function assertDamageDetected(test: TestContext, queue: string, bodies: readonly string[]): Promise<void> {
  await test.closeAll();
  const sound = await Snapshot.of(test.folder);
  for (const { what, mustBeNoticed, apply } of DAMAGES) {
    const { path, content } = sound.largest;
    await writeFile(path, apply(content, test.random));
    const found = await readStore(test, queue);
    if (found === 'refused') test.check.ok(true, `a store ${what} is refused`);
    else if (mustBeNoticed) test.check.equal(found, bodies, `messages in a store ${what}`);
    else test.check.between(found.length, 0, bodies.length, `messages in a store ${what}`);
    await sound.restore();
  }
  test.check.equal(await readStore(test, queue), bodies, 'messages in the sound store');
}

/** Returns the bodies, or `refused` if opening or reading failed with an error. */
async function readStore(test: TestContext, queue: string): Promise<readonly string[] | 'refused'> {
  let transport: Transport | undefined;
  try {
    transport = await test.openFiles();
    return await readBodies(test, transport, queue);
  } catch (error) {
    test.check.ok(isBusbarError(error), `the error of a damaged store is a BusbarError: ${String(error)}`);
    return 'refused';
  } finally {
    await transport?.close().catch(() => undefined);
  }
}

/** Consumes all messages. The caller restores the files afterwards. */
async function readBodies(test: TestContext, transport: Transport, queue: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const got = await transport.queues.receive(queue, { max: 1_000 });
    if (got.length === 0) return bodies;
    bodies.push(...got.map((delivery) => test.text(delivery)));
    await transport.queues.settle(got.map(({ receipt }) => ({ receipt, action: 'ack' })));
  }
}

/** Flips one bit in each of eight consecutive bytes after the first 100. */
function flip(content: Buffer, random: () => number): Buffer {
  const place = 100 + Math.floor(random() * (content.length - 108));
  for (let index = place; index < place + 8; index += 1) {
    content[index] = (content[index] ?? 0) ^ (1 << Math.floor(random() * 8));
  }
  return content;
}
