// Hubs over WebSocket and ZeroMQ that clients start: races, restarts after a kill, and the idle end.
import { readdirSync } from 'node:fs';
import { isAlive, spawnChild, type TempDir, tempDir, waitFor } from '@busbar/testbed';
import { connectTransport } from 'busbar';
import { describe, expect, test } from 'vitest';
import { hubStatus, stopHub } from '../../src/index.ts';
import { type LinkKind, ws, zmq } from '../support/link-kinds.ts';

const ROUNDS = process.env['BUSBAR_FULL'] === '1' ? 100 : 2;
const CONTENDERS = 4;

/** A folder for a hub that starts by itself. The hub is stopped with it. */
async function place(kind: LinkKind): Promise<AsyncDisposable & { readonly url: string; readonly folder: TempDir }> {
  const folder = tempDir('busbar-start');
  const url = kind.url(folder.join('bus'));
  const end = async (): Promise<void> => {
    await stopHub(url).catch(() => false);
    await folder[Symbol.asyncDispose]();
  };
  return { url, folder, [Symbol.asyncDispose]: end };
}

const body = (text: string): Uint8Array => Buffer.from(text);

describe.each([ws, zmq])('the first client over $name', (kind) => {
  test(`is one of several at once: ${ROUNDS} races end with one hub each`, { timeout: 600_000 }, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      await using all = await place(kind);
      const file = new URL('../support/front-door-client.ts', import.meta.url);
      const racers = Array.from({ length: CONTENDERS }, () => spawnChild({ file, args: [all.url] }));
      await Promise.all(racers.map((racer) => racer.next((message) => message === 'ready')));
      // Half of the rounds begin with the files of a killed hub.
      if (round % 2 === 1) {
        await (await connectTransport(all.url)).close();
        process.kill((await hubStatus(all.url)).pid, 'SIGKILL');
      }
      for (const racer of racers) racer.send('open');
      const pids = await Promise.all(
        racers.map((racer) => racer.next<number>((message) => typeof message === 'number')),
      );
      expect(new Set(pids).size).toBe(1);
      await using client = await connectTransport(all.url);
      expect((await client.admin.queues({ names: ['seen'] }))[0]?.ready).toBe(CONTENDERS);
      await Promise.all(racers.map((racer) => racer.kill()));
    }
  });

  test('starts a killed hub again, and no acknowledged message is lost', async () => {
    await using all = await place(kind);
    await using client = await connectTransport(all.url);
    await client.queues.send('jobs', [{ body: body('before') }]);
    const { pid } = await hubStatus(all.url);
    process.kill(pid, 'SIGKILL');
    expect((await client.queues.send('jobs', [{ body: body('after') }]))[0]?.status).toBe('stored');
    const texts = (await client.queues.receive('jobs', { max: 2 })).map((each) => Buffer.from(each.body).toString());
    expect(texts).toEqual(['before', 'after']);
    expect((await hubStatus(all.url)).pid).not.toBe(pid);
  });

  test('leaves a hub that ends by itself and keeps only the file of its store', async () => {
    await using all = await place(kind);
    const client = await connectTransport(`${all.url}?idleMs=300`);
    const { pid } = await hubStatus(all.url);
    await client.close();
    await waitFor(() => !isAlive(pid), { what: 'the idle hub to end', timeoutMs: 10_000 });
    expect(readdirSync(all.folder.path).filter((name) => !name.startsWith('bus.db'))).toEqual([]);
  });
});
