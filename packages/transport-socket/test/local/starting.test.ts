// Hubs that clients start: races, restarts, the idle end, and the files that remain.
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import type { Transport } from '@busbar/api/transport';
import { isAlive, spawnChild, type TempDir, tempDir, waitFor } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { hubStatus, openUnix, serveHub, stopHub, unixHub } from '../../src/index.ts';
import { hubProgram } from '../support/running-hub.ts';

const ROUNDS = process.env['BUSBAR_FULL'] === '1' ? 100 : 6;
const CONTENDERS = 4;

/** A folder for a hub that starts by itself. The hub is stopped with it. */
async function place(): Promise<TempDir & { readonly path: string; readonly socket: string; readonly url: string }> {
  const dir = tempDir('busbar-start');
  const socket = dir.join('bus.sock');
  const url = `unix:${socket}`;
  return {
    ...dir,
    socket,
    url,
    [Symbol.asyncDispose]: async () => {
      await stopHub(url).catch(() => false);
      await dir[Symbol.asyncDispose]();
    },
  };
}

const storeOf = (socket: string): string => `sqlite:${socket}.db`;
const openAt = (socket: string, idleMs = 30_000, store = storeOf(socket)): Promise<Transport> =>
  openUnix({ path: socket, start: hubProgram(socket, store, idleMs) });
const body = (text: string): Uint8Array => Buffer.from(text);

describe('the first client', () => {
  test('starts the hub, which other clients find and which outlives them', async () => {
    await using all = await place();
    const first = await openAt(all.socket);
    await first.queues.send('jobs', [{ body: body('a') }]);
    const { pid, store } = await hubStatus(all.url);
    await first.close();
    await using second = await openAt(all.socket);
    expect(await second.queues.receive('jobs')).toHaveLength(1);
    expect([(await hubStatus(all.url)).pid, store]).toEqual([pid, 'sqlite']);
    expect(pid).not.toBe(process.pid);
  });

  test(`is one of several at once: ${ROUNDS} races end with one hub each`, { timeout: 600_000 }, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      await using all = await place();
      const file = new URL('../support/client-process.ts', import.meta.url);
      const args = [all.socket, storeOf(all.socket), '30000'];
      const racers = Array.from({ length: CONTENDERS }, () => spawnChild({ file, args }));
      await Promise.all(racers.map((racer) => racer.next((message) => message === 'ready')));
      // Half of the rounds begin with the files of a killed hub.
      if (round % 2 === 1) {
        await (await openAt(all.socket)).close();
        process.kill((await hubStatus(all.url)).pid, 'SIGKILL');
      }
      for (const racer of racers) racer.send('open');
      const pids = await Promise.all(
        racers.map((racer) => racer.next<number>((message) => typeof message === 'number')),
      );
      expect(new Set(pids).size).toBe(1);
      await Promise.all(racers.map((racer) => racer.kill()));
    }
  });

  test('soon starts a killed hub again, and no acknowledged message is lost', async () => {
    await using all = await place();
    await using client = await openAt(all.socket);
    await client.queues.send('jobs', [{ body: body('before') }]);
    const { pid } = await hubStatus(all.url);
    process.kill(pid, 'SIGKILL');
    const since = performance.now();
    const [result] = await client.queues.send('jobs', [{ body: body('after') }]);
    expect(result!.status).toBe('stored');
    // At most one second on an idle machine.
    expect(performance.now() - since).toBeLessThan(10_000);
    const texts = (await client.queues.receive('jobs', { max: 2 })).map((each) => Buffer.from(each.body).toString());
    expect(texts).toEqual(['before', 'after']);
    expect((await hubStatus(all.url)).pid).not.toBe(pid);
  });

  test('learns why the hub cannot open its store', async () => {
    await using all = await place();
    writeFileSync(`${all.socket}.db`, 'this is no database, and longer than the header of one: '.repeat(4), {
      mode: 0o600,
    });
    const opening = openAt(all.socket);
    await expect(opening).rejects.toMatchObject({
      transport: undefined,
      message: expect.stringMatching(/database|store/),
    });
    await waitFor(() => !existsSync(all.socket), { what: 'the hub to end' });
  });

  test('learns why the program cannot be started', async () => {
    await using all = await place();
    const start = { command: '/nowhere/to/be/found', args: [] };
    await expect(openUnix({ path: all.socket, start })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: /ENOENT/,
    });
  });
});

describe('a hub', () => {
  test('without clients ends by itself and keeps only the file of its store', async () => {
    await using all = await place();
    const client = await openAt(all.socket, 300);
    const { pid } = await hubStatus(all.url);
    await client.close();
    await waitFor(() => !isAlive(pid), { what: 'the idle hub to end', timeoutMs: 10_000 });
    expect(readdirSync(all.path).filter((name) => !name.startsWith('bus.sock.db'))).toEqual([]);
  });

  test('stays while a client is connected', async () => {
    await using all = await place();
    await using client = await openAt(all.socket, 150);
    const { pid } = await hubStatus(all.url);
    await client.queues.receive('jobs', { waitMs: 600 });
    expect(isAlive(pid)).toBe(true);
  });

  test('is refused while another one serves the path', async () => {
    await using all = await place();
    await using _ = await openAt(all.socket);
    const second = serveHub({ store: () => Promise.reject(new Error('unreachable')), links: [unixHub(all.socket)] });
    await expect(second).rejects.toMatchObject({ code: 'CONFLICT' });
    expect((await hubStatus(all.url)).store).toBe('sqlite');
  });

  test('is stopped in order, once', async () => {
    await using all = await place();
    await (await openAt(all.socket)).close();
    expect([await stopHub(all.url), await stopHub(all.url)]).toEqual([true, false]);
    await expect(hubStatus(all.url)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(readdirSync(all.path).filter((name) => !name.startsWith('bus.sock.db'))).toEqual([]);
  });
});

describe('the path of a socket', () => {
  test('has 103 bytes at most, since Node truncates longer ones silently', async () => {
    const path = `/tmp/${'x'.repeat(110)}/bus.sock`;
    await expect(openUnix({ path })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: /limit is 103/ });
    expect(() => unixHub(path)).toThrow(/limit is 103/);
    expect(() => unixHub(`/tmp/${'é'.repeat(50)}`)).toThrow(/limit is 103/);
  });

  test('gets a private folder with private files', async () => {
    await using all = await place();
    const socket = `${all.path}/made/bus.sock`;
    await using _ = await openAt(socket);
    expect(statSync(`${all.path}/made`).mode & 0o777).toBe(0o700);
    for (const name of ['bus.sock', 'bus.sock.token', 'bus.sock.lock', 'bus.sock.db']) {
      expect([name, statSync(`${all.path}/made/${name}`).mode & 0o777]).toEqual([name, 0o600]);
    }
    await stopHub(`unix:${socket}`);
  });

  test('must not be in a symbolic link or in a folder that others can write into', async () => {
    await using all = await place();
    mkdirSync(`${all.path}/open`);
    chmodSync(`${all.path}/open`, 0o777);
    symlinkSync(all.path, `${all.path}/link`);
    for (const folder of ['open', 'link']) {
      const opening = openAt(`${all.path}/${folder}/bus.sock`);
      await expect(opening).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    }
  });

  test('must not be another kind of file, which is left unchanged', async () => {
    await using all = await place();
    writeFileSync(all.socket, 'precious');
    await expect(openAt(all.socket)).rejects.toMatchObject({ code: 'PERMISSION_DENIED', message: /not a socket/ });
    expect(statSync(all.socket).size).toBe(8);
  });

  test('of a killed hub is taken over', async () => {
    await using all = await place();
    await (await openAt(all.socket)).close();
    const { pid } = await hubStatus(all.url);
    process.kill(pid, 'SIGKILL');
    await waitFor(() => !isAlive(pid), { what: 'the hub to be dead' });
    expect(statSync(all.socket).isSocket()).toBe(true);
    await expect(openUnix({ path: all.socket, connectTimeoutMs: 200 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await using client = await openAt(all.socket);
    expect(client.state).toBe('open');
  });

  test('whose token others can read is refused by clients', async () => {
    await using all = await place();
    await (await openAt(all.socket)).close();
    chmodSync(`${all.socket}.token`, 0o644);
    await expect(openUnix({ path: all.socket })).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    chmodSync(`${all.socket}.token`, 0o600);
  });
});
