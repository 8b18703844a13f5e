// Hubs whose socket, lock or folder others remove while clients use them.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir, waitFor } from '@busbar/testbed';
import { connectTransport } from 'busbar';
import { describe, expect, test } from 'vitest';
import { ws, zmq } from '../support/link-kinds.ts';
import { localHub } from '../support/local-hub.ts';

const unix = { name: 'unix', url: (path: string) => `unix:${path}` };
const losses: Readonly<Record<string, (path: string, folder: string) => void>> = {
  'its socket': (path) => rmSync(path),
  'its lock': (path) => rmSync(`${path}.lock`),
  'its token': (path) => rmSync(`${path}.token`, { force: true }),
  'its folder': (_, folder) => rmSync(folder, { recursive: true }),
};

describe.each([unix, ws, zmq])('a hub over $name', ({ url: urlOf }) => {
  test.concurrent.each(Object.keys(losses))('is found again by new clients after the loss of %s', async (what) => {
    await using dir = tempDir('busbar-lost');
    const [folder, path] = [dir.join('hub'), dir.join('hub/bus')];
    mkdirSync(folder, { mode: 0o700 });
    await using hub = await localHub(urlOf(path));
    await using present = await connectTransport(hub.url);
    await present.queues.send('jobs', [{ body: Buffer.from('kept') }]);
    const files = readdirSync(folder);
    losses[what]?.(path, folder);
    await waitFor(() => files.every((file) => existsSync(join(folder, file))), { what: 'the files' });
    await using later = await connectTransport(urlOf(path), { waitForServerMs: 10_000 });
    expect(await later.queues.receive('jobs')).toHaveLength(1);
    await later.queues.send('jobs', [{ body: Buffer.from('new') }]);
    expect(await present.queues.receive('jobs', { waitMs: 10_000 })).toHaveLength(1);
  });

  test.concurrent('ends when another hub has taken its path, and its clients go there', async () => {
    await using dir = tempDir('busbar-lost');
    const [folder, path] = [dir.join('hub'), dir.join('hub/bus')];
    mkdirSync(folder, { mode: 0o700 });
    await using first = await localHub(urlOf(path));
    await using present = await connectTransport(first.url);
    rmSync(folder, { recursive: true });
    await using second = await localHub(urlOf(path));
    const files = readdirSync(folder);
    await first.hub.ended;
    expect(readdirSync(folder)).toEqual(files);
    await waitFor(() => second.hub.clients === 1, { what: 'the client' });
    await present.queues.send('jobs', [{ body: Buffer.from('a') }]);
    await using later = await connectTransport(urlOf(path), { waitForServerMs: 10_000 });
    expect(await later.queues.receive('jobs')).toHaveLength(1);
  });
});
