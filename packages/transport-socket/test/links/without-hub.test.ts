// Opening where no hub listens: it fails at once, or waits for the hub as long as `waitForServerMs` says.
import { freePort, type TempDir, tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openSocket } from '../../src/index.ts';
import { localHub } from '../support/local-hub.ts';

type Place = readonly [name: string, url: (folder: TempDir) => Promise<string>];

const PLACES: readonly Place[] = [
  ['unix:', async (folder) => `unix:${folder.join('bus')}`],
  ['ws: with a path', async (folder) => `ws:${folder.join('bus')}`],
  ['ws: with a port', async () => `ws://127.0.0.1:${await freePort()}/bus`],
  ['zmq:ipc:', async (folder) => `zmq:ipc://${folder.join('bus')}`],
  ['zmq:tcp:', async () => `zmq:tcp://127.0.0.1:${await freePort()}`],
];
/** Far below the 10 s that connecting may take. */
const AT_ONCE_MS = 4_000;

test.each(PLACES)('%s fails at once without waitForServerMs', async (_, place) => {
  await using folder = tempDir('busbar-without');
  const url = await place(folder);
  const since = performance.now();
  await expect(openSocket(url)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    hint: expect.stringMatching(/Start one/),
  });
  expect(performance.now() - since).toBeLessThan(AT_ONCE_MS);
  await expect(openSocket(`${url}?waitForServerMs=100`)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test.each(PLACES)('%s waits for a hub with waitForServerMs', async (_, place) => {
  await using folder = tempDir('busbar-without');
  const url = await place(folder);
  const opening = openSocket(`${url}?waitForServerMs=30s`);
  await expect(openSocket(url)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await using _hub = await localHub(url);
  await using transport = await opening;
  expect(transport.state).toBe('open');
});
