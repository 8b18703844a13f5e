// The client of pages over Node's own WebSocket, against a hub in another process.
import { once } from 'node:events';
import { waitFor } from '@busbar/testbed';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { BusbarError, type ConnectOptions, connect, type PageBus } from '../src/index.ts';
import { PAGE_TOKEN, type PageHub, startHub } from './support/hub.ts';

/** A message whose ack was lost with the hub comes again after this time. */
const LEASE_MS = 3_000;

let hub: PageHub;
beforeAll(async () => {
  hub = await startHub();
}, 60_000);
afterAll(() => hub[Symbol.asyncDispose]());

const failures: BusbarError[] = [];
const open = (options: Partial<ConnectOptions> = {}): Promise<PageBus> =>
  connect({
    url: hub.url,
    token: PAGE_TOKEN,
    agent: '@page',
    connectTimeoutMs: 60_000,
    onError: (error) => void failures.push(error),
    ...options,
  });

test('requests and responses, in parts, in both directions', async () => {
  await using page = await open();
  await using bus = await hub.open();
  const service = await bus.agent('@service');
  service.handle('double', async ({ body }, context) => {
    await context.reply('working');
    return { twice: (body as { n: number }).n * 2 };
  });
  service.handle('fail', () => {
    throw new RangeError('no such row');
  });
  const parts: unknown[] = [];
  const options = { onPart: (part: string) => parts.push(part) };
  expect(await page.request('@service', 'double', { n: 21 }, options)).toEqual({ twice: 42 });
  expect(parts).toEqual(['working']);
  await expect(page.request('@service', 'fail')).rejects.toMatchObject({
    code: 'HANDLER_FAILED',
    cause: { name: 'RangeError', message: 'no such row' },
  });
  await expect(page.request('@nobody', 'double')).rejects.toMatchObject({ code: 'NO_RESPONDER' });
  page.handle('title', async ({ from }, context) => {
    await context.reply('a part');
    return `page for ${from}`;
  });
  const stream = service.requestStream('@page', 'title');
  const got: unknown[] = [];
  for await (const part of stream) got.push(part);
  expect([...got, await stream.result]).toEqual(['a part', 'page for @service']);
  expect(await service.request('@page', 'title', undefined, { durable: true })).toBe('page for @service');
  await expect(service.request('@page', 'unknown')).rejects.toMatchObject({ code: 'NO_RESPONDER' });
});

test('messages to and from the page, bytes included; a handler that throws gets them again', async () => {
  await using page = await open();
  await using bus = await hub.open();
  const agent = await bus.agent('@mail');
  const received: unknown[] = [];
  agent.handle('bytes', ({ body, from }) => void received.push([from, body]));
  const bytes = new Uint8Array([0xff, 0, 0xfe]);
  expect(await page.send('@mail', 'bytes', bytes, { id: 'once' })).toEqual({ id: 'once', status: 'stored' });
  expect(await page.send('@mail', 'bytes', bytes, { id: 'once' })).toEqual({ id: 'once', status: 'duplicate' });
  await waitFor(() => received.length === 1, { what: 'the message' });
  expect(received).toEqual([['@page', bytes]]);
  await expect(page.send('@absent', 'note')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const attempts: number[] = [];
  page.handle('note', (_, { attempt }) => {
    attempts.push(attempt);
    if (attempt === 1) throw new Error('not yet');
  });
  await agent.send('@page', 'note', { text: 'hi' });
  await waitFor(() => attempts.length === 2, { what: 'the second attempt', timeoutMs: 20_000 });
  expect(attempts).toEqual([1, 2]);
});

test('tasks with progress, results and failures, and handles by id', async () => {
  await using page = await open();
  await using bus = await hub.open();
  const release = Promise.withResolvers<void>();
  await using _worker = await bus.process('reports', async ({ body }, context) => {
    if (body === 'bad') throw Object.assign(new Error('broken'), { name: 'ReportError' });
    await context.progress({ done: 1 });
    await release.promise;
    return `report of ${body}`;
  });
  const task = await page.enqueue<string>('reports', 'May');
  const progress = task.progress();
  expect((await progress.next()).value).toEqual({ done: 1 });
  expect(await task.status()).toBe('running');
  expect(await page.taskCounts('reports')).toMatchObject({ running: 1, queued: 0 });
  release.resolve();
  expect(await task.result()).toBe('report of May');
  await progress.return();
  expect(await page.task<string>(task.id).result()).toBe('report of May');
  const failed = await page.enqueue('reports', 'bad', { maxAttempts: 1 });
  await expect(failed.result()).rejects.toMatchObject({ code: 'HANDLER_FAILED', cause: { message: 'broken' } });
  const later = await page.enqueue('reports', 'June', { delayMs: 3_600_000, dedupeKey: 'june' });
  expect((await page.enqueue('reports', 'June', { dedupeKey: 'june' })).isDuplicate).toBe(true);
  expect([await later.status(), await later.cancel(), await later.status()]).toEqual(['delayed', true, 'cancelled']);
});

test('presence: the page sees agents come and go, and they see it', async () => {
  await using bus = await hub.open();
  const page = await open({ capabilities: ['show'] });
  const seen: string[] = [];
  await page.watchAgents(({ kind, agent }) => void seen.push(`${agent.name} ${kind}`));
  expect(seen).toContain('@page online');
  const other = await bus.agent('@other', { capabilities: ['count'] });
  await waitFor(() => seen.includes('@other online'), { what: 'the agent to appear' });
  expect((await page.agents()).find(({ name }) => name === '@other')).toMatchObject({
    online: true,
    capabilities: ['count'],
  });
  expect((await bus.agents({ online: true })).map(({ name }) => name)).toContain('@page');
  await other.close();
  await waitFor(() => seen.includes('@other offline'), { what: 'the agent to leave' });
  await page.close();
  expect(page.state).toBe('closed');
  expect((await bus.agents({ online: true })).map(({ name }) => name)).not.toContain('@page');
  await expect(page.send('@other', 'note')).rejects.toMatchObject({ code: 'CLOSED' });
});

test('a hub that is killed and started again: nothing is lost, nothing comes twice', async () => {
  await using page = await open();
  await using bus = await hub.open();
  const agent = await bus.agent('@peer', { leaseMs: LEASE_MS });
  for (const queue of ['$inbox.@page', '$sub.page-counts'])
    await bus.transport.queues.configure(queue, { leaseMs: LEASE_MS });
  const states: string[] = [];
  page.onState(({ state }) => states.push(state));
  const live: unknown[] = [];
  const durable: unknown[] = [];
  const mail: unknown[] = [];
  const inbox: unknown[] = [];
  await page.subscribe('count.*', ({ body }) => void live.push(body));
  await page.subscribe('count.*', ({ body }) => void durable.push(body), { durableName: 'page-counts' });
  page.handle('mail', ({ body }) => void mail.push(body));
  agent.handle('mail', ({ body }) => void inbox.push(body));
  let isOver = false;
  let sent = 0;
  const sending = (async () => {
    for (; !isOver; sent += 1) {
      const n = sent;
      await Promise.all([
        page.publish('count.page', n),
        page.send('@peer', 'mail', n),
        bus.publish('count.node', -1 - n),
        agent.send('@page', 'mail', n),
      ]);
    }
  })();
  for (let round = 0; round < 2; round += 1) {
    const before = sent;
    await waitFor(() => sent > before + 10, { what: 'traffic', timeoutMs: 20_000 });
    await hub.restart();
  }
  const before = sent;
  await waitFor(() => sent > before + 10, { what: 'traffic', timeoutMs: 20_000 });
  isOver = true;
  await sending;
  const numbers = Array.from({ length: sent }, (_, n) => n);
  const isAll = (all: readonly unknown[], count: number): boolean => new Set(all).size === count;
  const lists = [live, durable, mail, inbox].map((all, index) => [all, index < 2 ? sent * 2 : sent] as const);
  await waitFor(() => lists.every(([all, count]) => isAll(all, count)), { what: 'all of it', timeoutMs: 60_000 });
  expect(live.filter((n) => (n as number) >= 0)).toEqual(numbers);
  expect(live).toHaveLength(sent * 2);
  expect(new Set(inbox)).toEqual(new Set(numbers));
  expect(states.filter((state) => state === 'reconnecting').length).toBeGreaterThanOrEqual(2);
  expect(states.at(-1)).toBe('open');
}, 150_000);

test('callbacks of a page that fail are reported, and those that would not run are refused', async () => {
  const onError = async (error: BusbarError): Promise<void> => {
    failures.push(error);
    throw error;
  };
  const page = await open({ onError });
  const states: string[] = [];
  page.onState(async ({ state }) => {
    states.push(state);
    throw new Error('from the listener of states');
  });
  const generator = function* (): Generator<number> {
    yield 1;
  } as never;
  expect(() => page.handle('x', generator)).toThrow('generator');
  expect(() => page.onState(generator)).toThrow('generator');
  await expect(page.subscribe('x', generator)).rejects.toThrow('generator');
  await expect(page.request('@page', 'x', 1, { onPart: generator })).rejects.toThrow('generator');
  await page.close();
  const ofStates = (): BusbarError[] => failures.filter(({ message }) => message.includes('listener of states'));
  await waitFor(() => ofStates().length === 2, { what: 'both failures' });
  expect(states).toEqual(['closing', 'closed']);
});

test('a token that the hub does not know is refused with its reason', async () => {
  await expect(open({ token: 'a-token-of-nobody-at-all' })).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  await expect(open({ token: undefined })).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  await expect(open({ agent: '@other' })).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  await expect(connect({ url: 'http://127.0.0.1/bus' })).rejects.toBeInstanceOf(BusbarError);
});

test('the token is in the first frame, and nowhere in the request', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const first = new Promise<[string, string]>((resolve) => {
    server.on('connection', (socket, request) => {
      const head = JSON.stringify([request.url, request.headers]);
      socket.once('message', (data) => {
        resolve([head, String(data)]);
        socket.close();
      });
    });
  });
  const token = async (): Promise<string> => 'a-token-from-a-function';
  await expect(connect({ url: `ws://127.0.0.1:${port}/bus`, token, connectTimeoutMs: 500 })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
  });
  const [head, frame] = await first;
  expect(head).not.toContain('a-token-from-a-function');
  expect(JSON.parse(frame)).toMatchObject({ type: 'hello', header: { token: 'a-token-from-a-function' } });
  server.close();
});
