// A hub of the same protocol version that tells neither the past of its store nor its time.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tempDir } from '@busbar/testbed';
import { encodeFrames, FRAME, FrameReader, frame } from '@busbar/wire';
import { connectTransport } from 'busbar';
import { expect, test } from 'vitest';
import { hubStatus, openUnix } from '../../src/index.ts';

test('serves a client, which takes leases as they are given and ignores unknown items', async () => {
  await using folder = tempDir('busbar-older');
  const path = folder.join('hub.sock');
  writeFileSync(`${path}.token`, 'a-token-of-the-older-hub', { mode: 0o600 });
  await using memory = await connectTransport('memory:');
  const server = createServer((socket) => {
    const reader = new FrameReader();
    socket.on('data', (bytes: Buffer) => {
      for (const { type, id } of reader.read(bytes)) {
        const { capabilities } = memory;
        const welcome = { version: 1, hub: 'older', store: 'memory', capabilities, maxFrameBytes: 4_194_304 };
        const deliveries = [{ id: 'm', sentAt: 1, receipt: 'r', attempt: 1, leaseLeftMs: 30_000 }];
        if (type === FRAME.hello) socket.write(encodeFrames([frame(FRAME.welcome, 0, welcome)]));
        if (type !== FRAME.request) continue;
        socket.write(encodeFrames([frame(FRAME.item, 0, { later: true }), frame(FRAME.response, id, { deliveries })]));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const client = await openUnix({ path });
  const [delivery] = await client.queues.receive('jobs');
  expect([delivery?.id, delivery?.leaseLeftMs, client.past]).toEqual(['m', 30_000, undefined]);
  expect(await hubStatus(`unix:${path}`)).toMatchObject({ deliveries: [{ id: 'm' }] });
  await client.close({ leases: 'keep' });
  await new Promise((resolve) => server.close(resolve));
});
