/** Calls between processes over Unix sockets, and what they do where a socket cannot be used. */

import { chmodSync, chownSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBus } from '@busbar/api';
import type { BusbarError, CallOptions, Message, Transport } from '@busbar/api/transport';
import { type Child, spawnChild, type TempDir, tempDir, waitFor } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { openSqlite } from '../../src/index.ts';

const BODY = new TextEncoder().encode('hello');
const ADDRESS = '$call.@child';
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

describe.concurrent('calls between processes', () => {
  test('go over a private socket and store nothing', async () => {
    await using lab = await Lab.open();
    expect((await lab.call())[0]?.body).toEqual(BODY);
    expect(await lab.transport.admin.queues()).toEqual([]);
    const [socket = '', token = ''] = lab.sockets();
    expect(token).toBe(`${socket}.token`);
    expect(statSync(lab.calls).mode & 0o777).toBe(0o700);
    for (const each of [socket, token]) expect(statSync(join(lab.calls, each)).mode & 0o777).toBe(0o600);
  });

  test('all reach the process that begin while the first one connects', async () => {
    await using lab = await Lab.open();
    const calls = Array.from({ length: 64 }, () => lab.call());
    expect((await Promise.all(calls)).map(([reply]) => reply?.body)).toEqual(calls.map(() => BODY));
  });

  test('are CLOSED with an unknown outcome when the process dies in mid-call', async () => {
    await using lab = await Lab.open();
    const hanging = lab.call({ type: 'hang' }).catch((error: BusbarError) => error);
    await waitFor(async () => (await lab.served()) === 1, { what: 'the call to arrive' });
    await lab.child.kill();
    expect(await hanging).toMatchObject({ code: 'CLOSED', outcome: 'unknown' });
  });

  test('have NO_RESPONDER at once after a kill, and the stale socket is removed', async () => {
    await using lab = await Lab.open();
    await lab.child.kill();
    const startedAt = performance.now();
    await expect(lab.call()).rejects.toMatchObject({ code: 'NO_RESPONDER', outcome: 'failed' });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(existsSync(lab.calls)).toBe(false);
    await waitFor(async () => (await lab.transport.kv.list('$direct/')).length === 0, { what: 'the entry to go' });
  });

  test('reach a process that took over after a kill', async () => {
    await using lab = await Lab.open();
    await lab.call();
    await lab.child.restart();
    await lab.child.next((message) => message === 'serving', { timeoutMs: 20_000 });
    expect((await lab.call())[0]?.body).toEqual(BODY);
  });

  test('fail with BACKPRESSURE while a process does not read, and are served after it', async () => {
    await using lab = await Lab.open();
    await lab.call();
    lab.child.stop();
    const body = new Uint8Array(1_048_576);
    const calls = Array.from({ length: 32 }, () => lab.call({ body }).then(() => 'served', codeOf));
    await waitFor(async () => (await Promise.race([...calls, 'none'])) === 'BACKPRESSURE', { what: 'a refused call' });
    lab.child.cont();
    const results = await Promise.all(calls);
    expect(new Set(results)).toEqual(new Set(['served', 'BACKPRESSURE']));
    expect(await lab.served()).toBe(1 + results.filter((result) => result === 'served').length);
  });

  test('end with the TIMEOUT of the requester while a process is stopped', async () => {
    await using lab = await Lab.open();
    await lab.call();
    lab.child.stop();
    await expect(lab.call({ timeoutMs: 200 })).rejects.toMatchObject({ code: 'TIMEOUT', outcome: 'unknown' });
  });

  test('are shared by the processes that serve an address', async () => {
    await using lab = await Lab.open();
    await using other = await lab.serve();
    for (let call = 0; call < 10; call += 1) await lab.call();
    expect(await lab.served()).toBe(5);
    expect(await lab.served(other)).toBe(5);
  });

  test('are cancelled at the server at their deadline, also if the requester is stopped', async () => {
    await using folder = tempDir();
    const file = folder.join('bus.db');
    await using server = await openSqlite({ file });
    const [begun, left] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    await server.calls?.serve(ADDRESS, {}, async function* (_message, { signal }) {
      begun.resolve();
      signal.addEventListener('abort', () => left.resolve());
      await left.promise;
      yield* [];
    });
    await using requester = spawnChild({ file: new URL('./requester.ts', import.meta.url), args: [file, ADDRESS] });
    await begun.promise;
    requester.stop();
    await left.promise;
  });

  test('find a socket again after its files were removed', async () => {
    await using lab = await Lab.open();
    await using server = await openSqlite({ file: lab.file });
    await server.calls?.serve('here', {}, async function* ({ body }) {
      yield { body };
    });
    rmSync(lab.calls, { recursive: true });
    await lab.transport.admin.clear();
    for (const address of ['here', ADDRESS]) {
      const isServed = (): Promise<boolean> => collect(lab.transport, address).then(Boolean, () => false);
      await waitFor(isServed, { what: `${address} to be served again`, timeoutMs: 15_000 });
    }
    expect(lab.sockets()).toHaveLength(4);
  });
});

describe.concurrent('where a socket cannot be used', () => {
  test.each<[string, (calls: string) => void]>([
    ['with a wrong token', (calls) => eachToken(calls, (path) => writeFileSync(path, 'a wrong token'))],
    ['with a token that others can read', (calls) => eachToken(calls, (path) => chmodSync(path, 0o644))],
    ['without the file of the socket', (calls) => rmSync(calls, { recursive: true })],
    ['with a folder that others can write to', (calls) => chmodSync(calls, 0o777)],
  ])('%s calls find no responder, and requests use queues', async (_, spoil) => {
    await expectQueues(spoil);
  });

  test.runIf(isRoot)('of another user calls find no responder, and requests use queues', async () => {
    await expectQueues((calls) => chownSync(calls, NOBODY, NOBODY));
  });

  test('with a path that is too long calls are declared missing, and requests use queues', async () => {
    await using folder = tempDir();
    const file = folder.join('x'.repeat(100), 'bus.db');
    await using one = openBus(await openSqlite({ file }));
    await using two = openBus(await openSqlite({ file }));
    expect(one.transport.capabilities.reasons.calls).toMatch(/too long/);
    (await one.agent('@one')).handle('echo', ({ body }) => body);
    expect(await (await two.agent('@two')).request('@one', 'echo', 1)).toBe(1);
  });
});

test('closing removes the files of the socket and its entries', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using other = await openSqlite({ file });
  const server = await openSqlite({ file });
  await server.calls?.serve('here', {}, async function* () {});
  expect(await other.kv.list('$direct/')).toHaveLength(1);
  await server.close();
  expect(await other.kv.list('$direct/')).toEqual([]);
  expect(existsSync(`${file}.calls`)).toBe(false);
});

async function expectQueues(spoil: (calls: string) => void): Promise<void> {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  const onError = (): void => undefined;
  await using server = openBus(await openSqlite({ file }), { onError });
  (await server.agent('@one')).handle('echo', ({ body }) => body);
  spoil(`${file}.calls`);
  await using bus = openBus(await openSqlite({ file }), { onError });
  await expect(collect(bus.transport, '$call.@one')).rejects.toMatchObject({ code: 'NO_RESPONDER', outcome: 'failed' });
  expect(await (await bus.agent('@two')).request('@one', 'echo', 1)).toBe(1);
}

/** A store, a process that serves {@link ADDRESS}, and a requester. */
class Lab implements AsyncDisposable {
  readonly file: string;
  readonly transport: Transport;
  readonly child: Child;
  readonly #folder: TempDir;

  private constructor(folder: TempDir, transport: Transport, child: Child) {
    this.#folder = folder;
    this.file = folder.join('bus.db');
    this.transport = transport;
    this.child = child;
  }

  static async open(): Promise<Lab> {
    const folder = tempDir();
    const file = folder.join('bus.db');
    return new Lab(folder, await openSqlite({ file }), await startServer(file));
  }

  /** The folder of the sockets. */
  get calls(): string {
    return `${this.file}.calls`;
  }

  sockets(): string[] {
    return existsSync(this.calls) ? readdirSync(this.calls).sort() : [];
  }

  /** Starts another process that serves. */
  serve(): Promise<Child> {
    return startServer(this.file);
  }

  call({ type, body = BODY, ...options }: CallOptions & { type?: string; body?: Uint8Array } = {}): Promise<Message[]> {
    return collect(this.transport, ADDRESS, { body, ...(type !== undefined && { type }) }, options);
  }

  /** How many calls a process has handled. */
  async served(child: Child = this.child): Promise<number> {
    child.send('count');
    return (await child.next<{ calls: number }>((message) => typeof message === 'object')).calls;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transport.close();
    await this.child[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

async function startServer(file: string): Promise<Child> {
  const child = spawnChild({ file: new URL('./server.ts', import.meta.url), args: [file, ADDRESS] });
  await child.next((message) => message === 'serving', { timeoutMs: 20_000 });
  return child;
}

async function collect(
  { calls }: Transport,
  address: string,
  message: { readonly body: Uint8Array } = { body: BODY },
  options: CallOptions = {},
): Promise<Message[]> {
  const replies: Message[] = [];
  for await (const reply of calls!.call(address, message, options)) replies.push(reply);
  return replies;
}

function eachToken(calls: string, change: (path: string) => void): void {
  for (const name of readdirSync(calls).filter((each) => each.endsWith('.token'))) change(join(calls, name));
}

function codeOf(error: BusbarError): string {
  return error.code;
}
