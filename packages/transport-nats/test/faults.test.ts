/** Faults of a server beside its end: each ends in the right error, and the transport goes on by itself. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Transport } from '@busbar/api/transport';
import { type NatsServer, needServer, startNats, startNatsCluster } from '@busbar/testbed';
import { beforeEach, expect, test, vi } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';

const IS_FULL = process.env['BUSBAR_FULL'] === '1';
const BACK = { timeout: 20_000 };

beforeEach(({ skip }) => needServer('nats-server', skip));

test('revoked credentials end calls in time, and valid ones are used again by themselves', async () => {
  await using server = await startNats({ users: [{ user: 'agent', password: 'right' }] });
  await using transport = await openNats(parseNatsUrl(server.urlAs('agent:right')));
  const waiting = transport.queues.receive('work', { waitMs: 60_000 });
  rewrite(server, '"right"', '"other"');
  await expect.poll(() => transport.state, BACK).toBe('reconnecting');
  const message = { id: 'one', body: Buffer.from('x') };
  const late = transport.queues.send('work', [message], { timeoutMs: 500 });
  await expect(late).rejects.toMatchObject({
    code: expect.stringMatching(/UNAVAILABLE|PERMISSION_DENIED/),
    outcome: 'unknown',
  });
  rewrite(server, '"other"', '"right"');
  await expect.poll(() => transport.state, BACK).toBe('open');
  // It may have been stored after its deadline: repeating it stores it once.
  await transport.queues.send('work', [message]);
  expect(await waiting).toMatchObject([{ id: 'one' }]);
  expect(await transport.admin.queues()).toMatchObject([{ ready: 0, leased: 1 }]);
}, 60_000);

test('a client reconnects also after its wall clock was set back meanwhile', async () => {
  await using server = await startNats();
  await using transport = await openNats(parseNatsUrl(server.url));
  await server.kill();
  await expect.poll(() => transport.state, BACK).toBe('reconnecting');
  const now = Date.now.bind(Date);
  using _clock = vi.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000);
  await server.start();
  await expect.poll(() => transport.state, BACK).toBe('open');
  await transport.queues.send('work', [{ body: Uint8Array.of(1) }]);
}, 60_000);

test('subscribing and serving during a loss of the connection wait for the server', async () => {
  await using server = await startNats({ proxy: true });
  await using transport = await openNats(parseNatsUrl(server.url));
  server.network.halfOpen();
  const { calls, topics } = transport;
  const opened = Promise.all([
    calls?.serve('address', {}, async function* () {}),
    topics.subscribe('news', {}, () => {}),
  ]);
  await transport.queues.send('work', [{ body: Uint8Array.of(1) }], { timeoutMs: 200 }).catch(() => undefined);
  server.network.cut();
  server.network.heal();
  await using _opened = new AsyncDisposableStack();
  for (const one of await opened) _opened.use(one);
}, 60_000);

test('a smaller max_payload after a restart refuses what is too large, and takes the rest', async () => {
  await using server = await startNats({ config: ['max_payload: 4MB'] });
  await using transport = await openNats(parseNatsUrl(server.url));
  await server.stop();
  rewrite(server, 'max_payload: 4MB', 'max_payload: 1MB');
  await server.start();
  await expect.poll(() => transport.state, BACK).toBe('open');
  const send = (bytes: number) => transport.queues.send('work', [{ body: new Uint8Array(bytes) }]);
  expect(await send(2_000_000)).toMatchObject([{ status: 'failed', error: { code: 'PAYLOAD_TOO_LARGE' } }]);
  expect(await send(500_000)).toMatchObject([{ status: 'stored' }]);
  expect(await transport.admin.queues()).toMatchObject([{ ready: 1 }]);
  // Messages with records of their ids share a batch: one that is too large fails alone.
  await transport.queues.configure('long', { dedupeMs: 3_600_000 });
  const sizes = [10, 2_000_000, 20];
  const results = await transport.queues.send(
    'long',
    sizes.map((bytes) => ({ body: new Uint8Array(bytes) })),
  );
  expect(results).toMatchObject([
    { status: 'stored' },
    { status: 'failed', error: { code: 'PAYLOAD_TOO_LARGE' } },
    { status: 'stored' },
  ]);
}, 60_000);

test('a client that reads too slowly is disconnected, and loses nothing that is stored', async () => {
  await using server = await startNats({ proxy: true, config: ['write_deadline: "200ms"', 'max_pending: 2MB'] });
  await using slow = await openNats(parseNatsUrl(server.url));
  await using sender = await openNats(parseNatsUrl(`nats://127.0.0.1:${server.port}`));
  const seen = new Set<string>();
  await using _subscription = await slow.topics.subscribe('news.*', {}, (events) => {
    for (const { id } of events) seen.add(id);
  });
  const waiting = slow.queues.receive('work', { waitMs: 60_000 });
  server.network.halfOpen();
  const ids = Array.from({ length: 100 }, (_, number) => `e${number}`);
  for (const id of ids) {
    await sender.topics.publish('news.a', [{ id, body: new Uint8Array(200_000) }]);
    await sender.topics.publish('news.a', [{ body: new Uint8Array(200_000) }], { ephemeral: true });
  }
  await expect.poll(() => server.log, BACK).toContain('Slow Consumer');
  server.network.heal();
  await sender.queues.send('work', [{ id: 'one', body: Buffer.from('x') }]);
  expect(await waiting).toMatchObject([{ id: 'one' }]);
  await expect.poll(() => ids.filter((id) => !seen.has(id)), BACK).toEqual([]);
}, 90_000);

test.runIf(IS_FULL)(
  'a server in lame duck mode hands its clients over, and nothing is lost',
  async () => {
    await using cluster = await startNatsCluster({
      config: ['lame_duck_duration: "30s"', 'lame_duck_grace_period: "1s"'],
    });
    const [victim, ...others] = cluster.servers as [NatsServer, ...NatsServer[]];
    const servers = [victim, ...others].map(({ port }) => `127.0.0.1:${port}`);
    await using transport = await openNats({ servers, ns: 'team', replicas: 3 });
    await transport.queues.configure('work');
    const leaving = victim.kill('SIGUSR2');
    let isGone = false;
    void leaving.then(() => {
      isGone = true;
    });
    const stored: string[] = [];
    const received: string[] = [];
    while (!isGone || stored.length < 100) {
      const results = await transport.queues.send('work', [{ body: Buffer.from('x') }], { timeoutMs: 60_000 });
      stored.push(...results.filter(({ status }) => status === 'stored').map(({ id }) => id));
      received.push(...(await receiveAll(transport)));
    }
    await expect.poll(async () => received.push(...(await receiveAll(transport))), BACK).toBe(stored.length);
    expect(received.toSorted()).toEqual(stored.toSorted());
  },
  180_000,
);

/** Changes the configuration. A running server reads it again. */
function rewrite(server: NatsServer, from: string, to: string): void {
  const file = join(server.folder, 'nats.conf');
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(from);
  writeFileSync(file, text.replace(from, to));
  if (server.isRunning) process.kill(server.pid, 'SIGHUP');
}

async function receiveAll({ queues }: Transport): Promise<string[]> {
  const deliveries = await queues.receive('work', { max: 100, waitMs: 200 });
  const settled = await queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
  return deliveries.flatMap(({ id }, index) => (settled[index]?.status === 'done' ? id : []));
}
