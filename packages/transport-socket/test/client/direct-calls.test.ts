/** Which calls go from client to client, and which through the hub. */

import { existsSync } from 'node:fs';
import { openBus } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { tempDir } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { openSocket } from '../../src/index.ts';
import { type InProcessHub, localHub } from '../support/local-hub.ts';

const BODY = new TextEncoder().encode('hello');
const TOKEN = 'a-token-for-all-agents';

/** A hub at a path, its clients, and the folder of their sockets. */
async function withHub(
  tokens: Parameters<typeof localHub>[1],
  work: (lab: { hub: InProcessHub; path: string; sockets: string }) => Promise<void>,
): Promise<void> {
  await using folder = tempDir();
  const path = folder.join('hub.sock');
  await using hub = await localHub(`unix:${path}`, tokens);
  await work({ hub, path, sockets: `${path}.calls` });
}

async function serve({ calls }: Transport, address: string): Promise<void> {
  await calls!.serve(address, {}, async function* ({ body }) {
    yield { body };
  });
}

async function call({ calls }: Transport, address: string): Promise<unknown> {
  for await (const { body } of calls!.call(address, { body: BODY })) return body;
  return undefined;
}

describe('calls between clients on a Unix socket', () => {
  test('go directly, also while the hub is away', async () => {
    await withHub([], async ({ hub, path, sockets }) => {
      await using server = await openSocket(`unix:${path}`);
      await using requester = await openSocket(`unix:${path}`);
      await serve(server, 'echo');
      expect(await call(requester, 'echo')).toEqual(BODY);
      expect(existsSync(sockets)).toBe(true);
      await hub.hub.close();
      expect(await call(requester, 'echo')).toEqual(BODY);
    });
  });

  test('leave no files when the clients close', async () => {
    await withHub([], async ({ path, sockets }) => {
      const server = await openSocket(`unix:${path}`);
      await serve(server, 'echo');
      await server.close();
      expect(existsSync(sockets)).toBe(false);
    });
  });

  test('go through a hub that has a token of a single agent', async () => {
    await withHub([{ token: TOKEN }, { token: `${TOKEN}-of-bob`, agent: '@bob' }], async ({ path, sockets }) => {
      await using server = await openSocket(`unix:${path}`);
      await using requester = await openSocket(`unix:${path}`);
      await serve(server, 'echo');
      expect(await call(requester, 'echo')).toEqual(BODY);
      expect(existsSync(sockets)).toBe(false);
    });
  });

  test('of a client with an agent go through the hub, which checks the sender', async () => {
    await withHub([], async ({ path, sockets }) => {
      await using server = await openSocket(`unix:${path}?agent=@bob`);
      await using requester = await openSocket(`unix:${path}`);
      await serve(server, '$call.@bob');
      expect(await call(requester, '$call.@bob')).toEqual(BODY);
      expect(existsSync(sockets)).toBe(false);
    });
  });

  test('run as many at a time as the server allows, directly and through the hub together', async () => {
    await withHub([], async ({ path }) => {
      await using server = openBus(await openSocket(`unix:${path}`));
      await using direct = openBus(await openSocket(`unix:${path}`));
      await using through = openBus(await openSocket(`unix:${path}?agent=@through`));
      let [running, most] = [0, 0];
      const gate = Promise.withResolvers<void>();
      const service = await server.agent('@service', { maxConcurrent: 2 });
      service.handle('work', async () => {
        running += 1;
        most = Math.max(most, running);
        await gate.promise;
        running -= 1;
      });
      const [one, two] = [await direct.agent('@direct'), await through.agent('@through')];
      const requests = [one, two, one, two, one, two].map((agent) => agent.request('@service', 'work'));
      await expect.poll(() => running).toBe(2);
      gate.resolve();
      await Promise.all(requests);
      expect(most).toBe(2);
    });
  });
});
