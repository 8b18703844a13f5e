import { readFileSync } from 'node:fs';
import { isBusbarError } from '@busbar/api';
import type { RemoteClient } from '@busbar/conformance';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../../src/context/until.ts';
import { spawnClient } from '../../src/processes/remote-client.ts';
import { module } from './opener.ts';

const body = new TextEncoder().encode('hello');

async function start(argument: unknown = null): Promise<RemoteClient> {
  const client = await spawnClient({ module, name: 'openHere', argument });
  onTestFinished(() => client.kill());
  return client;
}

test('a client in another process sends, receives and settles', async () => {
  const client = await start();
  const [sent] = await client.send('q', [{ body, priority: 7 }]);
  const [delivery] = await client.receive('q', { waitMs: 1_000 });
  expect(delivery).toMatchObject({ id: sent?.id, attempt: 1, priority: 7 });
  expect(Buffer.from(delivery!.body).toString()).toBe('hello');
  expect(await client.settle([{ receipt: delivery!.receipt, action: 'ack' }])).toMatchObject([{ status: 'done' }]);
  expect(await client.put('k', 'v')).toMatchObject({ status: 'stored' });
  expect(await client.get('k')).toMatchObject({ key: 'k' });
  expect(await client.close()).toBe(0);
});

test('errors keep their code and hint', async () => {
  const client = await start();
  const error: unknown = await client.send('not a name', [{ body }]).catch((reason: unknown) => reason);
  expect(isBusbarError(error) && error.code).toBe('INVALID_ARGUMENT');
  await client.send('full', []).catch(() => undefined);
  await expect(spawnClient({ module, name: 'openHere', argument: 'refuse' })).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    hint: 'Ask.',
  });
  await expect(spawnClient({ module, name: 'missing', argument: null })).rejects.toThrow('no opener missing');
});

test('a function of a module runs in the other process', async () => {
  const client = await start();
  expect(await client.run(module, 'addTo', 5)).toBe('memory and 5');
});

test('loads report progress until they are stopped', async () => {
  const client = await start();
  const producing = await client.produce('q', { prefix: 'a', count: 30, batch: 7 });
  await producing.over;
  expect(producing.sent).toEqual(Array.from({ length: 30 }, (_, index) => `a-${index}`));
  const consuming = await client.consume('q', { max: 4 });
  await until('all acked', () => consuming.acked.length === 30);
  await consuming.stop();
  expect(consuming.seen).toHaveLength(30);
  expect(consuming.seen.every(({ pid }) => pid === client.pid)).toBe(true);
  expect(producing.calls).toHaveLength(5);
  expect(consuming.calls.every(({ began, ended }) => began < ended && ended <= Date.now() + 1)).toBe(true);
});

test('pending calls of a killed client end, and its reported progress is kept', async () => {
  const client = await start();
  const producing = await client.produce('q', { prefix: 'a' });
  await until('something sent', () => producing.sent.length > 3);
  const waiting = client.receive('never', { waitMs: 60_000 });
  await client.kill();
  await expect(waiting).rejects.toThrow('SIGKILL');
  await producing.over;
  expect(producing.sent.length).toBeGreaterThan(3);
  await expect(client.get('k')).rejects.toThrow('ended');
});

test('a paused client is stopped until it is resumed', async () => {
  const client = await start();
  client.pause();
  await until('it stopped', () => / [Tt] /.test(readFileSync(`/proc/${client.pid}/stat`, 'utf8')));
  let answered = false;
  const answer = client.get('k').then(() => (answered = true));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(answered).toBe(false);
  client.resume();
  await answer;
});

test('its event loop can be blocked and its wall clock set', async () => {
  const client = await start();
  const began = performance.now();
  await client.block(80);
  expect(performance.now() - began).toBeGreaterThanOrEqual(79);
  await client.shiftClock(3_600_000);
  await client.shiftClock(-60_000);
  const { date, now, monotonic } = await client.run<{ date: number; now: number; monotonic: number }>(module, 'clocks');
  expect(Math.abs(date - now)).toBeLessThan(5);
  expect(now - monotonic).toBeLessThan(-58_000);
  expect(now - monotonic).toBeGreaterThan(-62_000);
});
