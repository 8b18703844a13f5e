import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  findServer,
  isAlive,
  type NatsServer,
  needServer,
  type RealServer,
  type RedisServer,
  spawnChild,
  startNats,
  startRedis,
  waitFor,
} from '@busbar/testbed';
import { beforeEach, describe, expect, test } from 'vitest';

const kinds = [
  { program: 'redis-server', start: startRedis, ask: (server: RealServer) => (server as RedisServer).call('PING') },
  { program: 'nats-server', start: startNats, ask: (server: RealServer) => (server as NatsServer).monitor('healthz') },
] as const;

describe.each(kinds)('$program', ({ program, start, ask }) => {
  beforeEach(({ skip }) => needServer(program, skip));

  test.concurrent('is started, killed, started again and stopped, at one address', async () => {
    await using server: RealServer = await start();
    const { pid, url } = server;
    expect(isAlive(pid)).toBe(true);
    await server.kill();
    expect(server.isRunning).toBe(false);
    expect(isAlive(pid)).toBe(false);
    await server.start();
    expect(server.url).toBe(url);
    await server.stop();
    expect(server.isRunning).toBe(false);
  });

  test.concurrent('answers nothing while it is paused', async () => {
    await using server: RealServer = await start();
    server.pause();
    let answered = false;
    const answer = ask(server).then(() => (answered = true));
    await sleep(100);
    expect(answered).toBe(false);
    server.resume();
    await answer;
  });

  test('is removed with its folder when it is disposed of', async () => {
    let server: RealServer;
    {
      await using kept: RealServer = await start();
      server = kept;
    }
    expect(server.isRunning).toBe(false);
    expect(existsSync(server.folder)).toBe(false);
  });

  test('is found, with its version', () => {
    expect(findServer(program)).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
  });
});

test('no server outlives the process that started it, even if that is killed', async ({ skip }) => {
  for (const { program } of kinds) needServer(program, skip);
  await using owner = spawnChild({ file: new URL('./programs/owns-servers.ts', import.meta.url) });
  const servers = await owner.next<{ pid: number; folder: string }[]>();
  expect(servers.map(({ pid }) => isAlive(pid))).toEqual([true, true]);
  await owner.kill('SIGKILL');
  for (const { pid, folder } of servers) {
    await waitFor(() => !isAlive(pid) && !existsSync(folder), { what: 'the server and its folder to be gone' });
  }
});
