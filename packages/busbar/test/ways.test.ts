// Agents that reach one store in different ways ask each other: every pair of ways.
import type { Bus } from '@busbar/api';
import { tempDir } from '@busbar/testbed';
import { type Hub, hubLink, serveHub } from '@busbar/transport-socket';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, connectTransport } from '../src/index.ts';

const dir = tempDir('busbar-ways');
const FILE = `sqlite:${dir.join('bus.db')}`;
const [FIRST, SECOND] = [`unix:${dir.join('first.sock')}`, `unix:${dir.join('second.sock')}`];
const query = (parts: Record<string, string>): string => `${new URLSearchParams(parts)}`;

/** All of them use the file. */
const WAYS: Readonly<Record<string, string>> = {
  direct: FILE,
  hub: FIRST,
  'another hub': SECOND,
  migrate: `migrate:?${query({ from: FILE, to: `sqlite:${dir.join('new.db')}` })}`,
  hybrid: `hybrid:?${query({ fast: `sqlite:${dir.join('fast.db')}`, durable: FILE })}`,
  audit: `audit:?${query({ of: FIRST, log: `sqlite:${dir.join('log.db')}` })}`,
};
const names = Object.keys(WAYS);
const agentOf = (name: string): string => `@${name.replaceAll(' ', '-')}`;
const hubs: Hub[] = [];
const buses = new Map<string, Bus>();

beforeAll(async () => {
  for (const url of [FIRST, SECOND]) {
    hubs.push(await serveHub({ store: () => connectTransport(FILE), links: [await hubLink(url)] }));
  }
  for (const [name, url] of Object.entries(WAYS)) {
    const bus = await connect(url, { onError: () => undefined });
    buses.set(name, bus);
    const agent = await bus.agent(agentOf(name), { maxConcurrent: 2 });
    agent.handle<number>('double', ({ body }) => body * 2);
    agent.handle('count', async function* () {
      yield 1;
      yield 2;
      return 'done';
    });
    let running = 0;
    agent.handle('wait', async ({ body }) => {
      running += 1;
      await new Promise((resolve) => setTimeout(resolve, Number(body)));
      running -= 1;
      return running;
    });
    agent.handle('fail', () => {
      throw new Error('broken');
    });
  }
});

afterAll(async () => {
  await Promise.all([...buses.values()].map((bus) => bus.close()));
  await Promise.all(hubs.map((hub) => hub.close()));
  await dir[Symbol.asyncDispose]();
});

test('one limit holds for requests that arrive in different ways', async () => {
  const asking = ['direct', 'hub'].flatMap((name) => Array.from({ length: 4 }, () => buses.get(name) as Bus));
  const others = await Promise.all(asking.map((bus) => bus.request<number>(agentOf('hub'), 'wait', 50)));
  expect(Math.max(...others)).toBe(1);
});

describe.each(names)('over %s', (asking) => {
  test.each(names)('an agent asks one over %s', async (asked) => {
    const bus = buses.get(asking) as Bus;
    const to = agentOf(asked);
    expect(await bus.request(to, 'double', 21)).toBe(42);
    const stream = bus.requestStream<number, string>(to, 'count');
    const parts: number[] = [];
    for await (const part of stream) parts.push(part);
    expect([parts, await stream.result]).toEqual([[1, 2], 'done']);
    await expect(bus.request(to, 'fail')).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
  });

  test('an unknown agent is no responder', async () => {
    const bus = buses.get(asking) as Bus;
    await expect(bus.request('@nobody', 'double', 1)).rejects.toMatchObject({
      code: 'NO_RESPONDER',
      outcome: 'failed',
    });
  });
});
