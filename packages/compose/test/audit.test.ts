// What an audit records, and how its log is read.
import { readFileSync } from 'node:fs';
import type { Transport } from '@busbar/api/transport';
import { needServer, spawnChild, startRedis, tempDir } from '@busbar/testbed';
import { openMemory } from '@busbar/transport-memory';
import { openRedis, parseRedisUrl } from '@busbar/transport-redis';
import { expect, test } from 'vitest';
import { OPTIONS } from '../src/audit/options.ts';
import {
  type AuditOptions,
  type AuditPart,
  type LogContents,
  openAudit,
  parseAuditOptions,
  readLog,
  type Trail,
  threadOf,
  trailsOf,
} from '../src/index.ts';
import { fileParts } from './audit-harness.ts';

const body = Buffer.from('x');

interface Setting extends AsyncDisposable {
  readonly folder: string;
  /** The store and the log without an audit. */
  readonly store: Transport;
  readonly log: Transport;
  /** Opens an audited client. */
  open(options?: AuditOptions): Promise<Transport>;
  read(): Promise<LogContents>;
  /** The fate of each message, by id. */
  fates(): Promise<Record<string, string>>;
}

async function setting(): Promise<Setting> {
  const dir = tempDir('busbar-audit');
  const parts = fileParts(dir.path);
  const [store, log] = await Promise.all([parts.of.open(), parts.log.open()]);
  const opened: Transport[] = [];
  const read = (): Promise<LogContents> => readLog(log);
  return {
    folder: dir.path,
    store,
    log,
    async open(options) {
      const bus = await openAudit(parts, options);
      opened.push(bus);
      return bus;
    },
    read,
    fates: async () => fatesOf(trailsOf((await read()).records)),
    async [Symbol.asyncDispose]() {
      await Promise.all([...opened, store, log].map((each) => each.close()));
      await dir[Symbol.asyncDispose]();
    },
  };
}

function fatesOf(trails: readonly Trail[]): Record<string, string> {
  return Object.fromEntries(trails.map(({ id, fate }) => [id, fate]));
}

test('the last known fate of each message, with its whole trail', async () => {
  await using bus = await setting();
  const one = await bus.open();
  const { queues, topics, admin } = one;
  await queues.send('work', [
    { id: 'acked', from: '@a', type: 'build', body: Buffer.from('"hello"'), contentType: 'application/json' },
    { id: 'rejected', body },
    { id: 'waiting', body, delayMs: 60_000 },
    { id: 'cancelled', body, delayMs: 60_000 },
    { id: 'released', body, priority: 0 },
  ]);
  await queues.send('work', [{ id: 'acked', body }]);
  const [first, second, third] = await queues.receive('work', { max: 5, consumer: 'me' });
  await queues.settle([
    { receipt: first?.receipt ?? '', action: 'retry', reason: 'not yet' },
    { receipt: second?.receipt ?? '', action: 'reject', reason: 'broken' },
    { receipt: third?.receipt ?? '', action: 'release' },
  ]);
  const [again] = await queues.receive('work');
  await queues.settle([{ receipt: again?.receipt ?? '', action: 'ack' }]);
  await queues.settle([{ receipt: again?.receipt ?? '', action: 'ack' }]);
  await admin.cancel('work', ['cancelled']);
  await topics.bind('bound', 'news');
  await topics.publish('news', [{ id: 'event', body }]);
  await queues.receive('bound');
  await queues.send('none', [{ id: 'failed', body }], { create: false }).catch(() => undefined);
  await one.close();

  const { records, gaps } = await bus.read();
  expect(gaps).toEqual([]);
  const trails = trailsOf(records);
  expect(fatesOf(trails.filter(({ queue }) => queue !== 'bound'))).toEqual({
    ...{ acked: 'acked', rejected: 'rejected', waiting: 'sent', cancelled: 'cancelled', released: 'released' },
    ...{ event: 'published', failed: 'failed' },
  });
  expect(trails.find(({ queue }) => queue === 'bound')).toMatchObject({ id: 'event', topic: 'news', fate: 'released' });
  const trail = trails.find(({ id }) => id === 'acked');
  expect(trail).toMatchObject({
    queue: 'work',
    topic: undefined,
    attempts: 2,
    sent: { from: '@a', type: 'build', body: '"hello"', bytes: 7 },
  });
  expect(trail?.records.map(({ action, attempt, reason }) => [action, attempt, reason])).toEqual([
    ['sent', undefined, undefined],
    ['duplicate', undefined, undefined],
    ['delivered', 1, undefined],
    ['retried', 1, 'not yet'],
    ['delivered', 2, undefined],
    ['acked', 2, undefined],
    ['lease-lost', 2, undefined],
  ]);
  const numbers = [...new Set(records.map(({ n }) => n))];
  expect(numbers).toEqual(Array.from(numbers, (_, index) => index));
});

test('a process settles what another one received', async () => {
  await using bus = await setting();
  const [one, other] = [await bus.open(), await bus.open()];
  await one.queues.send('work', [{ id: 'm', body }]);
  const [delivery] = await one.queues.receive('work');
  await one.close({ leases: 'keep' });
  await other.queues.settle([{ receipt: delivery?.receipt ?? '', action: 'ack' }]);
  await other.close();
  expect(await bus.fates()).toEqual({ m: 'acked' });
});

test('requests and replies, on the fast path and over queues', async () => {
  await using bus = await setting();
  const one = await bus.open();
  const { queues, calls } = one;
  await queues.send('work', [{ id: 'ask', replyTo: 'replies', body }]);
  await queues.send('other', [{ id: 'not a reply', correlationId: 'ask', body }]);
  await queues.send('replies', [{ id: 'answer', correlationId: 'ask', causationId: 'ask', body }]);
  await queues.send('work', [{ id: 'alone', body }]);
  if (calls !== undefined) {
    await calls.serve('double', {}, async function* () {
      yield { body };
    });
    for await (const _ of calls.call('double', { id: 'call', body }));
    for await (const _ of await failing(calls.call('nobody', { id: 'lost', body })));
  }
  await one.close();
  const trails = trailsOf((await bus.read()).records);
  expect(fatesOf(trails)).toEqual({
    ...{ ask: 'replied', 'not a reply': 'sent', answer: 'sent', alone: 'sent' },
    ...(calls !== undefined && { call: 'replied', lost: 'call-failed' }),
  });
  expect(threadOf(trails, 'answer').map(({ id }) => id)).toEqual(['ask', 'not a reply', 'answer']);
});

test('a process that is killed leaves a gap, and one that closes does not', async () => {
  await using bus = await setting();
  const file = new URL('./programs/audited.ts', import.meta.url);
  await using killed = spawnChild({ file, args: [bus.folder] });
  await using closed = spawnChild({ file, args: [bus.folder] });
  for (const child of [killed, closed]) {
    await child.next((message: { readonly step: string }) => message.step === 'ready');
    child.send(`from ${child.pid}`);
  }
  await expect.poll(async () => Object.values(await bus.fates())).toEqual(['sent', 'sent']);
  await closed.next((message: { readonly step: string }) => message.step.startsWith('from'));
  closed.send('close');
  await closed.next((message: { readonly step: string }) => message.step === 'close');
  await killed.kill();
  await expect
    .poll(async () => (await bus.read()).gaps, { timeout: 10_000 })
    .toMatchObject([{ count: undefined, program: 'audited.ts', process: expect.stringContaining(`/${killed.pid}-`) }]);
});

test('a log that takes nothing leaves a counted gap, and is complete again afterwards', async () => {
  await using bus = await setting();
  const one = await bus.open({ bufferBytes: 65_536 });
  const failed: string[] = [];
  one.onFailure(({ work }) => failed.push(work));
  await one.queues.send('work', [{ id: 'before', body }]);
  await expect.poll(async () => await bus.fates()).toEqual({ before: 'sent' });
  const { revision } = await bus.log.admin.setGate('closed', { ifRevision: 0 });
  for (let index = 0; index < 100; index += 1) {
    await one.queues.send('work', [{ id: `m${index}`, body: Buffer.alloc(2_000, 'x'), contentType: 'text/plain' }]);
  }
  await bus.log.admin.setGate('open', { ifRevision: revision });
  await expect
    .poll(async () => (await bus.read()).gaps, { timeout: 20_000 })
    .toMatchObject([{ count: expect.toSatisfy((count) => count > 50), reason: expect.stringContaining('moved') }]);
  expect(failed.filter((work) => work === 'audit log')).toHaveLength(1);
  await one.queues.send('work', [{ id: 'after', body }]);
  await one.close();
  const { records, gaps } = await bus.read();
  expect(await bus.fates()).toMatchObject({ before: 'sent', m0: 'sent', after: 'sent' });
  const last = records.at(-1)?.n ?? 0;
  expect(records.length + (gaps[0]?.count ?? 0)).toBe(last + 1);
});

test('with refuse nothing is sent or received that the log does not take, but held messages are settled', async () => {
  await using bus = await setting();
  const one = await bus.open({ onFull: 'refuse' });
  await one.queues.send('work', [{ id: 'held', body }]);
  const [held] = await one.queues.receive('work');
  const { revision } = await bus.log.admin.setGate('closed', { ifRevision: 0 });
  const refusal = { code: 'BACKPRESSURE', outcome: 'failed', operation: 'queues.send', transport: 'sqlite' };
  await expect
    .poll(() => one.queues.send('work', [{ id: 'more', body }]).catch((error: unknown) => error))
    .toMatchObject(refusal);
  await expect(one.queues.receive('work')).rejects.toMatchObject({ code: 'BACKPRESSURE' });
  await expect(one.topics.publish('news', [{ body }])).rejects.toMatchObject({ code: 'BACKPRESSURE' });
  expect(await one.queues.settle([{ receipt: held?.receipt ?? '', action: 'ack' }])).toMatchObject([
    { status: 'done' },
  ]);
  await bus.log.admin.setGate('open', { ifRevision: revision });
  await expect
    .poll(() => one.queues.send('work', [{ id: 'later', body }]).catch((error: unknown) => error), { timeout: 10_000 })
    .toMatchObject([{ status: 'stored' }]);
  await one.close();
  expect((await bus.read()).gaps).toEqual([]);
  expect(await bus.fates()).toMatchObject({ held: 'acked', later: 'sent' });
});

test('a log that is away does not stop the bus; with refuse it does', async ({ skip }) => {
  needServer('redis-server', skip);
  await using server = await startRedis();
  const log: AuditPart = { name: 'redis', open: () => openRedis(parseRedisUrl(server.url)) };
  const name = crypto.randomUUID();
  const of: AuditPart = { name: 'memory', open: () => openMemory({ name }) };
  await using one = await openAudit({ of, log }, { lookMs: 100 });
  await one.queues.send('work', [{ id: 'before', body }]);
  await server.kill();
  await expect(openAudit({ of, log }, { onFull: 'refuse' })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await using late = await openAudit({ of, log });
  await Promise.all([one, late].map(({ queues }, index) => queues.send('work', [{ id: `away ${index}`, body }])));
  await server.start();
  const read = async (): Promise<Record<string, string>> => {
    await using reader = await log.open();
    return fatesOf(trailsOf((await readLog(reader)).records));
  };
  await expect.poll(read, { timeout: 20_000, interval: 250 }).toMatchObject({ 'away 0': 'sent', 'away 1': 'sent' });
});

test('one of two processes finds what happens inside the store', async () => {
  await using bus = await setting();
  const [one, other] = [await bus.open({ lookMs: 250 }), await bus.open({ lookMs: 250 })];
  await one.queues.configure('work', { leaseMs: 100, maxAttempts: 2 });
  await one.queues.send('work', [
    { id: 'lapsed', body, priority: 9 },
    { id: 'last attempt', body, priority: 8, maxAttempts: 1 },
    { id: 'short', body, ttlMs: 100, delayMs: 50 },
    { id: 'purged', body, delayMs: 60_000 },
    { id: 'there', body, delayMs: 50_000 },
  ]);
  await other.queues.receive('work', { max: 2 });
  await expect.poll(async () => (await bus.read()).records.some(({ action }) => action === 'observing')).toBe(true);
  await bus.store.admin.purge('work', { state: 'delayed', ids: ['purged'] });
  await expect
    .poll(() => bus.fates(), { timeout: 10_000 })
    .toEqual({
      ...{ lapsed: 'lease-ended', 'last attempt': 'dead', short: 'expired', purged: 'gone', there: 'sent' },
    });
  const { records } = await bus.read();
  const found = ['lease-ended', 'dead', 'expired', 'gone'];
  const findings = records.filter(({ action }) => found.includes(action));
  expect(new Set(findings.map(({ id, action }) => `${id} ${action}`)).size).toBe(findings.length);

  // The other one takes over and knows what was found.
  const observer = records.findLast(({ action }) => action === 'observing')?.process;
  const isFirst = records.find(({ action }) => action === 'begin')?.process === observer;
  await (isFirst ? one : other).close();
  await bus.store.admin.purge('work', { state: 'delayed' });
  await expect.poll(async () => (await bus.fates())['there'], { timeout: 10_000 }).toBe('gone');
  const later = (await bus.read()).records.filter(({ action }) => found.includes(action));
  expect(later.length).toBe(findings.length + 1);
});

test('bodies are cut, left out or redacted', async () => {
  await using bus = await setting();
  const json = (value: unknown): { body: Uint8Array; contentType: string } => ({
    body: Buffer.from(JSON.stringify(value)),
    contentType: 'application/json',
  });
  const secret = { user: { Password: 's3cret', list: [{ token: 's3cret' }] }, n: 1 };
  const headers = { token: 's3cret', other: 'seen' };
  const variants: Record<string, AuditOptions> = {
    cut: { bodies: 5 },
    none: { bodies: 'none' },
    all: { bodies: 'all' },
    redacted: { redact: ['password', 'token'] },
  };
  for (const [name, options] of Object.entries(variants)) {
    const one = await bus.open(options);
    await one.queues.send(name, [
      { ...json(secret), headers },
      { body: Buffer.alloc(10_000, 'é'), contentType: 'text/plain' },
      { body: Buffer.from([0, 255]) },
    ]);
    await one.close();
  }
  const { records } = await bus.read();
  const bodies = (name: string): unknown[] =>
    records.filter(({ queue }) => queue === name).map((record) => record.body ?? record.bodyBase64);
  expect(bodies('cut')).toEqual(['{"use', 'éé', 'AP8=']);
  expect(bodies('none')).toEqual([undefined, undefined, undefined]);
  expect(bodies('all')).toEqual([JSON.stringify(secret), 'é'.repeat(5_000), 'AP8=']);
  expect(bodies('redacted')).toEqual([
    '{"user":{"Password":"***","list":[{"token":"***"}]},"n":1}',
    undefined,
    undefined,
  ]);
  const redacted = records.find(({ queue }) => queue === 'redacted');
  expect(redacted).toMatchObject({ headers: { token: '***', other: 'seen' }, bytes: json(secret).body.byteLength });
  expect(records.filter(({ queue }) => queue === 'cut').map(({ bytes }) => bytes)).toEqual([
    json(secret).body.byteLength,
    10_000,
    2,
  ]);
});

test('bad options, and a log in the store that is audited, are refused', async () => {
  await using bus = await setting();
  const { of } = fileParts(bus.folder);
  await expect(openAudit({ of, log: of })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  await expect(openAudit({ of, log: { ...of, name: 'other' } })).rejects.toThrow('are the same store');
  for (const query of ['onFull=drop', 'bodies=some', 'redact=', 'lookMs=1', 'bufferBytes=1', 'colour=red']) {
    expect(() => parseAuditOptions(query)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  }
  expect(parseAuditOptions('onFull=refuse&bodies=all&redact=a,b&lookMs=10s')).toEqual({
    ...{ onFull: 'refuse', bodies: 'all', redact: ['a', 'b'], lookMs: 10_000 },
  });
});

test.each(['../README.md', '../../../docs/audit.md'])('%s has the options', (file) => {
  expect(readFileSync(new URL(file, import.meta.url), 'utf8')).toContain(OPTIONS.toMarkdown());
});

/** The items of a call up to its failure. */
async function failing<T>(items: AsyncIterable<T>): Promise<T[]> {
  const read: T[] = [];
  try {
    for await (const item of items) read.push(item);
  } catch {
    return read;
  }
  return read;
}
