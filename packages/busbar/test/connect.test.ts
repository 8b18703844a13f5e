// connect: the bus, its namespace, and errors.
import { existsSync } from 'node:fs';
import { isBusbarError } from '@busbar/api';
import { tempDir } from '@busbar/testbed';
import { expect, test, vi } from 'vitest';
import { maskUrl } from '../src/bus-url.ts';
import { type ConnectOptions, connect } from '../src/index.ts';

test('the option ns overrides the namespace of the URL', async () => {
  await using folder = tempDir();
  const url = `sqlite:${folder.join('bus.db')}`;
  await using plain = await connect(url);
  await using team = await connect(`${url}?ns=team&durability=process`);
  await using other = await connect(`${url}?ns=team&durability=process`, { ns: 'other' });
  await using same = await connect(url, { ns: 'other' });
  await other.enqueue('work', 1);
  const queues = async (bus: typeof plain): Promise<string[]> => (await bus.stats()).queues.map(({ name }) => name);
  expect([await queues(plain), await queues(team), await queues(same)]).toEqual([[], [], ['work']]);
});

test.each(['', 'a b', 'a&b=c', 'x'.repeat(65), 5, null])('the namespace %j is refused', async (ns) => {
  await using folder = tempDir();
  const opened = connect(`sqlite:${folder.join('bus.db')}`, { ns: ns as string });
  const error = await opened.catch((failure: unknown) => failure);
  expect(isBusbarError(error) && error.code, String(error)).toBe('INVALID_ARGUMENT');
  expect(isBusbarError(error) && error.hint).toBeTruthy();
});

test('without a name it opens the bus of the environment, else of the project', async () => {
  await using folder = tempDir();
  vi.spyOn(process, 'cwd').mockReturnValue(folder.path);
  vi.stubEnv('MESSAGE_BUS', 'memory:front-door');
  await using named = await connect();
  vi.stubEnv('MESSAGE_BUS', undefined);
  await using byDefault = await connect();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  expect([named.transport.name, byDefault.transport.name]).toEqual(['memory', 'sqlite']);
  expect(existsSync(folder.join('.busbar/bus.db'))).toBe(true);
});

test.each([
  ['mysql://h', {}, 'INVALID_ARGUMENT'],
  ['nats://127.0.0.1:1', {}, 'UNAVAILABLE'],
  ['redis://127.0.0.1:1', {}, 'UNAVAILABLE'],
  ['memory', { presenceTtlMs: 1 }, 'INVALID_ARGUMENT'],
  ['memory', { middlewares: [] }, 'INVALID_ARGUMENT'],
  ['memory', { hub: 'busbar' }, 'INVALID_ARGUMENT'],
  ['memory', { hub: { command: '' } }, 'INVALID_ARGUMENT'],
  ['memory', { required: 'yes' }, 'INVALID_ARGUMENT'],
  ['memory', { callTimeoutMs: 99 }, 'INVALID_ARGUMENT'],
  ['hybrid:?fast=memory&durable=memory%3Ab', { callTimeoutMs: 99 }, 'INVALID_ARGUMENT'],
  ['unix:./none.sock', { hub: false }, 'UNAVAILABLE'],
  ['memory', { hub: { command: 'busbar', args: [1] } }, 'INVALID_ARGUMENT'],
  [7, {}, 'INVALID_ARGUMENT'],
])('connect(%j, %j) rejects with %s', async (url, options, code) => {
  const opened = connect(url as string, options as ConnectOptions);
  await expect(opened).rejects.toMatchObject({ code, hint: expect.any(String) });
});

test.each(['', 'hybrid:?fast=memory&durable='])('%s: the option hub names the program of the hub', async (outer) => {
  await using folder = tempDir();
  const inner = `unix:${folder.join('bus.sock')}?idleMs=100&store=memory%3A`;
  const url = outer === '' ? inner : `${outer}${encodeURIComponent(inner)}`;
  const args = ['-e', 'console.error("busbar: " + process.argv.slice(1, 3)); process.exit(1)', '--', 'mine'];
  const failure = connect(url, { hub: { command: process.execPath, args } });
  await expect(failure).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringMatching('mine,hub') });
});

test('with required, a bus must be named', async () => {
  await using folder = tempDir();
  vi.spyOn(process, 'cwd').mockReturnValue(folder.path);
  vi.stubEnv('MESSAGE_BUS', undefined);
  const refused = connect(undefined, { required: true });
  await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', hint: expect.stringMatching('MESSAGE_BUS') });
  vi.stubEnv('MESSAGE_BUS', 'memory:named');
  await using bus = await connect(undefined, { required: true });
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  expect([bus.transport.name, existsSync(folder.join('.busbar'))]).toEqual(['memory', false]);
});

test.each(['option', 'parameter'])('the %s callTimeoutMs bounds calls, also of a bus that may move', async (by) => {
  const url = `migrate:?from=memory:${by}.from&to=memory:${by}.to`;
  await using store = await connect(`memory:${by}.from`);
  await using bus =
    by === 'option' ? await connect(url, { callTimeoutMs: 100 }) : await connect(`${url}&callTimeoutMs=100`);
  const { admin } = store.transport;
  await admin.setGate('closed', { ifRevision: (await admin.gate()).revision, ttlMs: 60_000 });
  await expect(bus.enqueue('work', 1)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('a bus that may move has the namespace of its URL in each part without one', async () => {
  await using folder = tempDir();
  const [from, to] = [`sqlite:${folder.join('from.db')}`, `sqlite:${folder.join('to.db')}?ns=own`];
  const url = `migrate:?from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}&ns=team`;
  await using bus = await connect(url);
  await bus.enqueue('work', 1);
  await using part = await connect(from, { ns: 'team' });
  expect(bus.transport.name).toBe('migrate');
  expect((await part.stats()).queues.map(({ name }) => name)).toEqual(['work']);
});

test('the option ns overrides the namespaces of the parts of a bus that may move', async () => {
  await using folder = tempDir();
  const [from, to] = [`sqlite:${folder.join('from.db')}?ns=own`, `sqlite:${folder.join('to.db')}`];
  const url = `migrate:?from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}&ns=team`;
  await using bus = await connect(url, { ns: 'mine' });
  await bus.enqueue('work', 1);
  await using part = await connect(from, { ns: 'mine' });
  await using other = await connect(from);
  expect((await part.stats()).queues.map(({ name }) => name)).toEqual(['work']);
  expect((await other.stats()).queues).toEqual([]);
});

test.each([
  ['migrate', 'has no parameter from'],
  ['migrate:?from=memory', 'has no parameter to'],
  ['migrate:?from=memory&to=sqlite&too=redis', 'unknown parameter'],
  ['migrate:?from=memory&to=memory', 'the same bus'],
  ['migrate:?from=memory&to=nowhere', 'unknown bus'],
  ['migrate:?from=memory&from=sqlite&to=redis', 'twice'],
  ['migrate:?from=memory:a&to=migrate%3A%3Ffrom%3Dmemory%26to%3Dsqlite', 'is a migrate bus itself'],
  ['migrate://host?from=memory&to=sqlite', 'has an address'],
  ['migrate:?from=memory&to=sqlite&waitForServerMs=soon', 'waitForServerMs'],
])('%j is refused: it %s', async (url, text) => {
  await expect(connect(url)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(text),
  });
});

test('the secrets of the parts of a bus that may move are masked', () => {
  const url = `migrate:?from=${encodeURIComponent('redis://me:secret@host')}&to=${encodeURIComponent('ws://h?token=secret')}`;
  expect(maskUrl(url)).not.toContain('secret');
  expect(maskUrl(`cannot reach ${url}.`)).not.toContain('secret');
  expect(maskUrl('migrate:?from=sqlite%3A.%2Fa.db&to=redis')).toBe('migrate:?from=sqlite%3A.%2Fa.db&to=redis');
});
