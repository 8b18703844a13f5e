/** Calls over channels: large bodies, shared round trips, and responders that come, close, hang and die. */

import type { CallHandler, Message, Service, Transport } from '@busbar/api/transport';
import { needServer, type RedisServer, startRedis, waitFor } from '@busbar/testbed';
import { Redis } from 'ioredis';
import { beforeEach, expect, test } from 'vitest';
import { openRedis, parseRedisUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('redis-server', skip));

const echo: CallHandler = async function* ({ body }) {
  yield { body };
};
const never: CallHandler = async function* (_message, { signal }) {
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
};

test.concurrent('large bodies pass beside small ones, in order, and nothing of them is left', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  await using caller = await openRedis(parseRedisUrl(server.url));
  await using responder = await openRedis(parseRedisUrl(server.url));
  const sizes = [10, 300_000, 20, 40_000, 30, 32_768, 32_769, 0];
  await responder.calls?.serve('service', {}, async function* ({ body }) {
    for (const size of sizes) yield { body: new Uint8Array(size).fill(body.length % 251) };
  });
  const got = await Promise.all(sizes.map((size) => ask(caller, new Uint8Array(size))));
  for (const [index, replies] of got.entries()) {
    expect(replies.map(({ body }) => body.length)).toEqual(sizes);
    const mark = (sizes[index] ?? 0) % 251;
    expect(replies.every(({ body }) => body.every((byte) => byte === mark))).toBe(true);
  }
  expect(await server.call('KEYS', '*call-body*')).toEqual([]);
});

test.concurrent('64 calls in flight share messages', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  await using caller = await openRedis(parseRedisUrl(server.url));
  await using responder = await openRedis(parseRedisUrl(server.url));
  await responder.calls?.serve('service', { max: 100 }, echo);
  await ask(caller, Buffer.from('first'));
  const before = await published(server);
  const work = async (index: number): Promise<void> => {
    for (let n = 0; n < 20; n += 1) {
      const [reply] = await ask(caller, Buffer.from(`${index} ${n}`));
      expect(Buffer.from(reply?.body ?? []).toString()).toBe(`${index} ${n}`);
    }
  };
  await Promise.all(Array.from({ length: 64 }, (_, index) => work(index)));
  expect((await published(server)) - before).toBeLessThan((2 * 64 * 20) / 4);
});

test.concurrent('instances share the calls, and none fails while they are replaced one after the other', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  await using caller = await openRedis(parseRedisUrl(server.url));
  await using one = await openRedis(parseRedisUrl(server.url));
  await using two = await openRedis(parseRedisUrl(server.url));
  const counts = [0, 0];
  const serve = (transport: Transport, index: number): Promise<Service> | undefined =>
    transport.calls?.serve('service', {}, async function* ({ body }) {
      counts[index] = (counts[index] ?? 0) + 1;
      yield { body };
    });
  const services = [await serve(one, 0), await serve(two, 1)];
  let isOver = false;
  let asked = 0;
  const work = async (): Promise<void> => {
    while (!isOver) {
      asked += 1;
      expect(await ask(caller, Buffer.from('x'))).toHaveLength(1);
    }
  };
  const callers = Promise.all(Array.from({ length: 8 }, work));
  callers.catch(() => undefined);
  for (let round = 0; round < 4; round += 1) {
    const index = round % 2;
    const before = asked;
    await services[index]?.close();
    await waitFor(() => asked > before + 20, { what: 'calls of the other instance' });
    services[index] = await serve(index === 0 ? one : two, index);
    const had = counts[index] ?? 0;
    await waitFor(() => (counts[index] ?? 0) > had, { what: 'calls of the new instance' });
  }
  isOver = true;
  await callers;
});

test.concurrent('without a server a call is NO_RESPONDER, and with one that does not answer it goes to the next', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  await using caller = await openRedis(parseRedisUrl(server.url));
  await using responder = await openRedis(parseRedisUrl(server.url));
  await expect(ask(caller, Buffer.from('x'))).rejects.toMatchObject({ code: 'NO_RESPONDER', outcome: 'failed' });
  const stopped = new Redis(server.port, { protocol: 2 });
  await stopped.ssubscribe('{busbar:}:calls:service');
  const waiting = ask(caller, Buffer.from('patient'));
  await responder.calls?.serve('service', {}, echo);
  expect(await waiting).toHaveLength(1);
  stopped.disconnect();
});

test.concurrent('a call whose connection is lost is UNAVAILABLE with the outcome unknown, and the next one is answered', async () => {
  await using server = await startRedis();
  await using caller = await openRedis(parseRedisUrl(server.url));
  await using responder = await openRedis(parseRedisUrl(server.url));
  const signals: AbortSignal[] = [];
  await responder.calls?.serve('service', {}, async function* (message, call) {
    if (message.type !== 'hang') return yield* echo(message, call);
    signals.push(call.signal);
    yield* never(message, call);
  });
  const hanging = ask(caller, Buffer.from('x'), 'hang');
  const failure = expect(hanging).rejects.toMatchObject({ code: 'UNAVAILABLE', outcome: 'unknown' });
  await waitFor(() => signals.length === 1, { what: 'the call' });
  await server.kill();
  await failure;
  await server.start();
  await waitFor(() => caller.state === 'open' && responder.state === 'open', { what: 'both connections' });
  await waitFor(async () => (await ask(caller, Buffer.from('x')).catch(() => [])).length === 1, { what: 'an answer' });
});

test.concurrent('messages of other programs on the channels are reported and ignored', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  const errors: string[] = [];
  await using transport = await openRedis(parseRedisUrl(server.url));
  transport.onFailure(({ work, error }) => errors.push(`${work}: ${error.message}`));
  await transport.calls?.serve('service', {}, echo);
  expect(await ask(transport, Buffer.from('x'))).toHaveLength(1);
  const channels = (await server.call('PUBSUB', 'SHARDCHANNELS', '{busbar:}:call:*')) as string[];
  const answers = (await server.call('PUBSUB', 'SHARDCHANNELS', '{busbar:}:answers:*')) as string[];
  const foreign = [
    'nonsense',
    '{}',
    '{"by":"x","parcels":[1]}',
    '{"by":"x","parcels":[["request","1",1,[{"size":9}]]]}\n',
  ];
  for (const channel of [...channels, ...answers]) {
    for (const payload of foreign) await server.call('SPUBLISH', channel, payload);
  }
  await waitFor(() => errors.length === 2 * foreign.length, { what: 'the reports' });
  expect(errors[0]).toMatch(/^requests: .*cannot be read/);
  expect(await ask(transport, Buffer.from('x'))).toHaveLength(1);
});

test.concurrent('when the other end is gone, the call and its handler end within seconds', async () => {
  await using server = await startRedis({ proxy: true });
  const direct = { servers: [`127.0.0.1:${server.port}`] };
  const remote = parseRedisUrl(server.url);
  await using near = await openRedis(direct);
  await using far = await openRedis(remote);
  const signals: AbortSignal[] = [];
  const hang: CallHandler = (message, call) => {
    signals.push(call.signal);
    return never(message, call);
  };
  await near.calls?.serve('near', {}, hang);
  await far.calls?.serve('far', {}, hang);
  const toFar = all(near, 'far', Buffer.from('x'));
  const toNear = all(far, 'near', Buffer.from('x'));
  const ends = [
    expect(toFar).rejects.toMatchObject({ code: 'CLOSED', outcome: 'unknown' }),
    expect(toNear).rejects.toMatchObject({ code: 'UNAVAILABLE', outcome: 'unknown' }),
  ];
  await waitFor(() => signals.length === 2, { what: 'both calls' });
  server.network.block();
  server.network.cut();
  await Promise.all(ends);
  await waitFor(() => signals[0]?.aborted, { what: 'the end of the handler' });
  server.network.heal();
});

function ask(transport: Transport, body: Uint8Array, type?: string): Promise<Message[]> {
  return all(transport, 'service', body, type);
}

async function all(transport: Transport, address: string, body: Uint8Array, type?: string): Promise<Message[]> {
  const replies: Message[] = [];
  const message = { body, ...(type !== undefined && { type }) };
  for await (const reply of transport.calls?.call(address, message) ?? []) replies.push(reply);
  return replies;
}

/** How many messages were published on channels. */
async function published(server: RedisServer): Promise<number> {
  const [, calls = '0'] = /cmdstat_spublish:calls=(\d+)/.exec(String(await server.call('INFO', 'commandstats'))) ?? [];
  return Number(calls);
}
