/** What kinds of servers are met: how they are set, who is let in, and what follows from it. */

import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { needServer, startNats, tempDir } from '@busbar/testbed';
import { createUser } from '@nats-io/nkeys';
import { beforeEach, expect, test } from 'vitest';
import { useEverything } from '../../../test/use-everything.ts';
import { openNats, parseNatsUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('nats-server', skip));

test.concurrent.each([
  ['file', 'process'],
  ['memory', 'none'],
] as const)('streams in %s declare %s, and its next client need not say so', async (storage, durability) => {
  await using server = await startNats();
  const options = parseNatsUrl(server.url);
  await using transport = await openNats({ ...options, storage });
  expect(transport.capabilities.durability).toBe(durability);
  await using next = await openNats(options);
  expect(next.capabilities.durability).toBe(durability);
  const other = storage === 'file' ? 'memory' : 'file';
  await expect(openNats({ ...options, storage: other })).rejects.toMatchObject({
    code: 'CONFLICT',
    hint: expect.stringContaining('storage'),
  });
  const demanding = openNats({ ...options, durability: 'process' });
  if (durability === 'process') await (await demanding).close();
  else await expect(demanding).rejects.toMatchObject({ code: 'UNSUPPORTED', hint: expect.stringContaining('file') });
  await expect(openNats({ ...options, durability: 'power' })).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    hint: expect.stringContaining('two minutes'),
  });
});

test.concurrent('more replicas than servers are refused', async () => {
  await using server = await startNats();
  const options = parseNatsUrl(server.url);
  await expect(openNats({ ...options, replicas: 3 })).rejects.toMatchObject({ hint: expect.any(String) });
  await using transport = await openNats(options);
  await expect(openNats({ ...options, replicas: 3 })).rejects.toMatchObject({ code: 'CONFLICT' });
  expect(transport.name).toBe('nats');
});

test.concurrent('without JetStream there is no bus', async () => {
  await using server = await startNats({ jetStream: false });
  await expect(openNats(parseNatsUrl(server.url))).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    hint: expect.stringContaining('-js'),
  });
});

test.concurrent('the largest body follows the server, which must take enough', async () => {
  await using large = await startNats({ config: ['max_payload: 4MB'] });
  await using transport = await openNats(parseNatsUrl(large.url));
  expect(transport.capabilities.maxBodyBytes).toBe(4 * 1_048_576 - 131_072);
  await using small = await startNats({ config: ['max_payload: 64KB'] });
  await expect(openNats(parseNatsUrl(small.url))).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    hint: expect.stringContaining('max_payload'),
  });
});

test.concurrent('a full store refuses sends with BACKPRESSURE, and what is there stays', async () => {
  await using folder = tempDir('busbar-nats-full');
  await using server = await startNats({
    config: [`jetstream: { store_dir: ${JSON.stringify(folder.path)}, max_file_store: 8MB }`],
  });
  await using transport = await openNats(parseNatsUrl(server.url));
  const send = () => transport.queues.send('work', [{ body: new Uint8Array(500_000) }]);
  const results = (await Promise.all(Array.from({ length: 20 }, send))).flat();
  const refusals = results.flatMap(({ error }) => error ?? []);
  expect(refusals).not.toHaveLength(0);
  for (const error of refusals) expect(error).toMatchObject({ code: 'BACKPRESSURE', hint: expect.any(String) });
  expect((await transport.admin.queues())[0]?.ready).toBe(20 - refusals.length);
  const full = { code: 'BACKPRESSURE', hint: expect.any(String) };
  await expect(transport.kv.put('key', Uint8Array.of(1))).rejects.toMatchObject(full);
  await expect(transport.queues.configure('other', { leaseMs: 1_000 })).rejects.toMatchObject(full);
});

test.concurrent.each([
  ['another greeting', '220 mail.example ESMTP\r\n'],
  ['nothing', ''],
])('a server that says %s is UNAVAILABLE', async (_, greeting) => {
  const sockets = new Set<Socket>();
  const foreign = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    socket.write(greeting);
  });
  await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve));
  const { port } = foreign.address() as AddressInfo;
  const refused = { code: 'UNAVAILABLE', message: expect.stringContaining('no NATS server') };
  const opening = openNats({ servers: [`127.0.0.1:${port}`], connectTimeoutMs: 2_000 });
  await expect(opening).rejects.toMatchObject(refused);
  for (const socket of sockets) socket.destroy();
  foreign.close();
});

test.concurrent.each([
  ['2.11.9', '2.12'],
  ['1.4.1', '2.12'],
  ['2.12.0', '-js'],
  ['3.0.0-RC.1', '-js'],
])('a server %s without JetStream is UNSUPPORTED, with what to do', async (version, remedy) => {
  await using fake = await greetAs({ version, max_payload: 1_048_576, jetstream: false });
  const error: unknown = await openNats({ servers: [fake.address] }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'UNSUPPORTED', retryable: false, hint: expect.stringContaining(remedy) });
  if (remedy === '2.12') expect(error).toMatchObject({ message: expect.stringContaining(version) });
});

test.concurrent.each([
  ['a wrong password', 'agent:hunter2'],
  ['no password', undefined],
  ['an unknown user', 'mallory:hunter2'],
  ['a token', 'hunter2'],
])('%s is PERMISSION_DENIED, and no secret shows', async (_, credentials) => {
  await using server = await startNats({ users: [{ user: 'agent', password: 'right' }] });
  await refused(server.urlAs(credentials));
  await using transport = await openNats(parseNatsUrl(server.urlAs('agent:right')));
  await useEverything(transport);
});

test.concurrent('a token', async () => {
  await using server = await startNats({ token: 'to/k@en' });
  await using transport = await openNats(parseNatsUrl(server.url));
  await useEverything(transport);
  await refused(server.urlAs('hunter2'));
});

test.concurrent('an nkey', async () => {
  const [known, unknown] = [createUser(), createUser()];
  await using server = await startNats({ users: [{ nkey: known.getPublicKey() }] });
  const fileOf = (name: string, pair: typeof known): string => {
    const file = join(server.folder, name);
    writeFileSync(file, `${Buffer.from(pair.getSeed())}\n`, { mode: 0o600 });
    return file;
  };
  await using transport = await openNats(parseNatsUrl(`${server.url}?nkey=${fileOf('known.nk', known)}`));
  await useEverything(transport);
  await refused(`${server.url}?nkey=${fileOf('unknown.nk', unknown)}`);
});

test.concurrent.each(['nkey', 'creds'])(
  'a file of %s that holds none is INVALID_ARGUMENT, and is not shown',
  async (name) => {
    await using server = await startNats();
    const file = join(server.folder, 'bad');
    writeFileSync(file, 'hunter2hunter2', { mode: 0o600 });
    const error: unknown = await openNats(parseNatsUrl(`${server.url}?${name}=${file}`)).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', hint: expect.any(String) });
    expect(`${(error as Error).stack} ${JSON.stringify(error)}`).not.toContain('hunter2');
  },
);

test.concurrent('by TLS, with the right certificates only', async () => {
  await using server = await startNats({ tls: true });
  const { ca = '', wrongCa = '' } = server.certificates ?? {};
  const options = parseNatsUrl(server.url);
  await using transport = await openNats({ ...options, tls: { ca } });
  await useEverything(transport);
  for (const tls of [{}, { ca: wrongCa }]) {
    await expect(openNats({ ...options, tls })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('TLS'),
    });
  }
});

test.concurrent('TLS is not left out silently where the server has none', async () => {
  await using server = await startNats();
  await expect(openNats({ ...parseNatsUrl(server.url), tls: {} })).rejects.toMatchObject({ hint: expect.any(String) });
});

async function refused(url: string): Promise<void> {
  const error: unknown = await openNats(parseNatsUrl(url)).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'PERMISSION_DENIED', retryable: false, hint: expect.any(String) });
  expect(`${(error as Error).stack} ${JSON.stringify(error)}`).not.toContain('hunter2');
}

/** A server that greets with this INFO and answers each ping. */
async function greetAs(info: object): Promise<AsyncDisposable & { readonly address: string }> {
  const sockets = new Set<Socket>();
  const fake = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    socket.write(`INFO ${JSON.stringify({ server_id: 'FAKE', proto: 1, headers: true, ...info })}\r\n`);
    socket.on('data', (bytes) => {
      if (bytes.includes('PING')) socket.write('PONG\r\n');
    });
  });
  await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve));
  const { port } = fake.address() as AddressInfo;
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => fake.close(resolve));
  };
  return { address: `127.0.0.1:${port}`, [Symbol.asyncDispose]: close };
}
