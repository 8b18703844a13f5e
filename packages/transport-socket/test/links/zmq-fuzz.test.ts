// Garbage over ZeroMQ: the hub refuses it with a reason, and other clients are not affected.
import { connect } from 'node:net';
import { waitFor } from '@busbar/testbed';
import { encodeFrames, FRAME, frame } from '@busbar/wire';
import { expect, test } from 'vitest';
import { Dealer } from 'zeromq';
import { openSocket } from '../../src/index.ts';
import { readPacket } from '../../src/wire/packet.ts';
import { brokenFrame, FUZZ_FRAMES, oddFrame, randomFrom } from '../support/fuzz.ts';
import { localHub } from '../support/local-hub.ts';

const HELLO = encodeFrames([frame(FRAME.hello, 0, { version: 1 })]);
const PING = encodeFrames([frame(FRAME.ping)]);
/** One of this many frames is broken. It is the last of its connection. */
const BROKEN_ONE_IN = 10;

/** Whether the hub disconnected the client after it read all frames. */
async function isRefused(dealer: Dealer): Promise<boolean> {
  for await (const [packet] of dealer) {
    for (const { type } of readPacket(packet!)) {
      if (type === FRAME.goaway) return true;
      if (type === FRAME.pong) return false;
    }
  }
  return true;
}

test('garbage harms no other client', { timeout: 300_000 }, async () => {
  await using local = await localHub('zmq:tcp://127.0.0.1:0');
  await using bystander = await openSocket(local.url);
  const random = randomFrom(13);
  let refused = 0;
  let isOver = false;
  const storm = async (): Promise<void> => {
    for (let sent = 0; sent < FUZZ_FRAMES; sent += BROKEN_ONE_IN) {
      const dealer = new Dealer({ linger: 0, sendTimeout: 0 });
      dealer.connect(local.url.replace('zmq:', ''));
      await dealer.send(HELLO);
      for (let left = BROKEN_ONE_IN - 1; left > 0; left -= 1) await dealer.send(oddFrame(random));
      await dealer.send(brokenFrame(random));
      await dealer.send(PING);
      if (await isRefused(dealer)) refused += 1;
      dealer.close();
    }
  };
  const storming = storm().finally(() => {
    isOver = true;
  });
  let alive = 0;
  while (!isOver) {
    const [result] = await bystander.queues.send('bystander', [{ body: Buffer.from('hi') }], { timeoutMs: 5_000 });
    expect(result?.status).toBe('stored');
    alive += 1;
  }
  await storming;
  expect(refused).toBeGreaterThan(0);
  expect(alive).toBeGreaterThan(10);
  await waitFor(() => local.hub.clients === 1, { what: 'the other clients to disconnect' });
  expect(local.log.length).toBeGreaterThan(0);
  expect(local.log.length).toBeLessThanOrEqual(100);
});

test('bytes that are not ZeroMQ harm no other client', async () => {
  await using local = await localHub('zmq:tcp://127.0.0.1:0');
  await using bystander = await openSocket(local.url);
  const port = Number(local.url.split(':').at(-1));
  const random = randomFrom(14);
  const crowd = Array.from({ length: 200 }, async () => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.write(Buffer.from(Array.from({ length: 64 }, () => Math.floor(random() * 256))));
    socket.write('GET / HTTP/1.1\r\n\r\n');
    socket.end();
    await new Promise((resolve) => socket.resume().once('close', resolve));
  });
  await Promise.all(crowd);
  expect((await bystander.queues.send('q', [{ body: Buffer.from('hi') }]))[0]?.status).toBe('stored');
  expect(local.hub.clients).toBe(1);
});
