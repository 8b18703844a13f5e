// Garbage over WebSocket: the hub refuses it with a reason, and other clients are not affected.
import { waitFor } from '@busbar/testbed';
import { encodeFrames, FRAME, frame } from '@busbar/wire';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { openSocket } from '../../src/index.ts';
import { brokenFrame, FUZZ_FRAMES, oddFrame, oddHeader, randomFrom } from '../support/fuzz.ts';
import { localHub } from '../support/local-hub.ts';

const HELLO = { version: 1 };
/** One of this many frames is broken. It is the last of its connection. */
const BROKEN_ONE_IN = 10;

interface Maker {
  odd(): string | Buffer;
  broken(): string | Buffer;
}

/** Sends `count` frames over connections that end with a broken frame. Returns how many the hub disconnected. */
async function storm(url: string, hello: string | Buffer, count: number, { odd, broken }: Maker): Promise<number> {
  let refused = 0;
  for (let sent = 0; sent < count; sent += BROKEN_ONE_IN) {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    socket.on('error', () => undefined);
    const closed = new Promise<boolean>((resolve) => socket.once('close', () => resolve(true)));
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(hello);
    for (let left = BROKEN_ONE_IN - 1; left > 0; left -= 1) socket.send(odd());
    socket.send(broken());
    // Its pong shows that the hub read everything.
    const read = new Promise<boolean>((resolve) => socket.once('pong', () => resolve(false)));
    socket.ping();
    if (await Promise.race([closed, read])) refused += 1;
    socket.terminate();
    await closed;
  }
  return refused;
}

test.each(['binary', 'text'])('%s garbage harms no other client', { timeout: 300_000 }, async (form) => {
  await using local = await localHub('ws://127.0.0.1:0/bus');
  await using bystander = await openSocket(local.url);
  const random = randomFrom(form === 'text' ? 11 : 12);
  const hello =
    form === 'text' ? JSON.stringify({ type: 'hello', header: HELLO }) : encodeFrames([frame(FRAME.hello, 0, HELLO)]);
  const text = (): string =>
    JSON.stringify({ type: 'request', id: Math.floor(random() * 2 ** 32), header: oddHeader(random) });
  const cut = (whole: string): string => whole.slice(0, Math.floor(random() * whole.length));
  const binary = { odd: () => oddFrame(random), broken: () => brokenFrame(random) };
  const maker = form === 'text' ? { odd: text, broken: () => cut(text()) } : binary;
  let isOver = false;
  const storming = storm(local.url, hello, FUZZ_FRAMES / 2, maker).finally(() => {
    isOver = true;
  });
  let alive = 0;
  while (!isOver) {
    const [result] = await bystander.queues.send('bystander', [{ body: Buffer.from('hi') }], { timeoutMs: 5_000 });
    expect(result?.status).toBe('stored');
    alive += 1;
  }
  expect(await storming).toBeGreaterThan(0);
  expect(alive).toBeGreaterThan(10);
  await waitFor(() => local.hub.clients === 1, { what: 'the other clients to disconnect' });
  // One line for each reason, not for each frame.
  expect(local.log.length).toBeGreaterThan(0);
  expect(local.log.length).toBeLessThanOrEqual(100);
  expect(new Set(local.log).size).toBe(local.log.length);
});
