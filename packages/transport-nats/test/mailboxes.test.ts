/** Mailboxes have no consumer until they are busy. Their receivers read the stream, and the ledger decides who gets a message. */

import type { Transport } from '@busbar/api/transport';
import { type NatsServer, needServer, startNats } from '@busbar/testbed';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, test, vi } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';
import { compactorOf } from './compactor.ts';

const MAILBOX = '$inbox.agent';
const BODY = Buffer.from('x');
/** More messages at once than a mailbox without consumers takes. */
const BURST = 50;
const WAIT_MS = 20_000;

beforeEach(({ skip }) => needServer('nats-server', skip));

test.concurrent('messages of all levels wake waiting receives, highest level first, without a consumer', async () => {
  await using fixture = await start(2);
  const [receiver, sender] = fixture.transports;
  for (let round = 0; round < 20; round += 1) {
    const waiting = receiver.queues.receive(MAILBOX, { waitMs: WAIT_MS });
    await sender.queues.send(MAILBOX, [toMessage(`${round}`, round % 10)]);
    const [delivery] = await waiting;
    expect(delivery).toMatchObject({ id: `${round}`, attempt: 1 });
    await ack(receiver, [delivery]);
  }
  await sender.queues.send(MAILBOX, [toMessage('low', 0), toMessage('normal', 4), toMessage('high', 9)]);
  const ids = [];
  for (let count = 0; count < 3; count += 1) ids.push((await receiver.queues.receive(MAILBOX))[0]?.id);
  expect(ids).toEqual(['high', 'normal', 'low']);
  expect(await fixture.consumers()).toBe(0);
}, 60_000);

test.concurrent('of several processes that wait one gets each message, and one attempt is counted', async () => {
  await using fixture = await start(4);
  const [sender, ...receivers] = fixture.transports;
  const got: { id: string; attempt: number }[] = [];
  const loops = receivers.map((receiver) => loop(receiver, got));
  for (let number = 0; number < 60; number += 1) {
    await sender.queues.send(MAILBOX, [toMessage(`m${number}`, number % 10)]);
    await vi.waitFor(() => expect(got.length).toBe(number + 1), { timeout: WAIT_MS, interval: 1 });
  }
  expect(new Set(got.map(({ id }) => id)).size).toBe(60);
  expect(got.every(({ attempt }) => attempt === 1)).toBe(true);
  for (const each of loops) each.stop();
  await Promise.all(loops.map(({ done }) => done));
}, 60_000);

test.concurrent('a waiting receive gets a message after the lease of another process, and at once when it is returned', async () => {
  await using fixture = await start(3);
  const [sender, holder, waiter] = fixture.transports;
  await sender.queues.configure(MAILBOX, { leaseMs: 1_500 });
  await sender.queues.send(MAILBOX, [toMessage('lost')]);
  expect(await holder.queues.receive(MAILBOX)).toHaveLength(1);
  const [again] = await waiter.queues.receive(MAILBOX, { waitMs: WAIT_MS });
  expect(again).toMatchObject({ id: 'lost', attempt: 2 });
  await ack(waiter, [again]);

  await sender.queues.configure(MAILBOX, { leaseMs: 120_000 });
  for (const action of ['retry', 'release'] as const) {
    await sender.queues.send(MAILBOX, [toMessage(action)]);
    const [held] = await holder.queues.receive(MAILBOX, { waitMs: WAIT_MS });
    const waiting = waiter.queues.receive(MAILBOX, { waitMs: WAIT_MS });
    // Another process may settle it.
    const [settled] = await sender.queues.settle([{ receipt: held?.receipt ?? '', action }]);
    expect(settled?.status).toBe('done');
    const [returned] = await waiting;
    expect(returned).toMatchObject({ id: action, attempt: action === 'retry' ? 2 : 1 });
    await ack(waiter, [returned]);
  }
  const [late] = await waiter.queues.settle([{ receipt: again?.receipt ?? '', action: 'ack' }]);
  expect(late?.status).toBe('lease-lost');
  expect(await fixture.consumers()).toBe(0);
}, 60_000);

test.concurrent('a delayed retry and a delayed message come when they are due', async () => {
  await using fixture = await start(2);
  const [sender, receiver] = fixture.transports;
  await sender.queues.send(MAILBOX, [toMessage('again')]);
  const [held] = await receiver.queues.receive(MAILBOX);
  const waiting = receiver.queues.receive(MAILBOX, { waitMs: WAIT_MS });
  const retriedAt = performance.now();
  await receiver.queues.settle([{ receipt: held?.receipt ?? '', action: 'retry', delayMs: 700 }]);
  const [again] = await waiting;
  expect(again).toMatchObject({ id: 'again', attempt: 2 });
  expect(performance.now() - retriedAt).toBeGreaterThanOrEqual(699);
  await ack(receiver, [again]);
  const next = receiver.queues.receive(MAILBOX, { waitMs: WAIT_MS });
  const sentAt = performance.now();
  await sender.queues.send(MAILBOX, [{ ...toMessage('later'), delayMs: 700 }]);
  expect(await next).toMatchObject([{ id: 'later', attempt: 1 }]);
  expect(performance.now() - sentAt).toBeGreaterThanOrEqual(699);
}, 60_000);

test.concurrent('a burst gives a mailbox its consumers while others still claim without them: each message comes once', async () => {
  await using fixture = await start(4);
  const [sender, ...receivers] = fixture.transports;
  for (let round = 0; round < 12; round += 1) {
    const mailbox = `${MAILBOX}.${round}`;
    const got: { id: string; attempt: number }[] = [];
    const loops = receivers.map((receiver) => loop(receiver, got, mailbox));
    await sender.queues.send(mailbox, [toMessage('first')]);
    const part = (level: number) =>
      Array.from({ length: BURST }, (_, number) => toMessage(`${level}-${number}`, level)).map((message) =>
        sender.queues.send(mailbox, [message]),
      );
    await Promise.all([9, 4, 0].flatMap(part));
    await vi.waitFor(() => expect(got.length).toBe(3 * BURST + 1), { timeout: WAIT_MS, interval: 5 });
    for (const each of loops) each.stop();
    await Promise.all(loops.map(({ done }) => done));
    expect(new Set(got.map(({ id }) => id)).size).toBe(3 * BURST + 1);
    expect(got.every(({ attempt }) => attempt === 1)).toBe(true);
  }
  expect(await fixture.consumers()).toBeGreaterThan(0);
}, 120_000);

test.concurrent('a message that was claimed without a consumer returns through the consumers that the mailbox has by now', async () => {
  await using fixture = await start(2);
  const [sender, receiver] = fixture.transports;
  await sender.queues.configure(MAILBOX, { leaseMs: 120_000 });
  await sender.queues.send(MAILBOX, [toMessage('held')]);
  const [held] = await receiver.queues.receive(MAILBOX);
  await sender.queues.send(
    MAILBOX,
    Array.from({ length: BURST }, (_, number) => toMessage(`m${number}`)),
  );
  const others = await receiver.queues.receive(MAILBOX, { max: 100 });
  expect(others).toHaveLength(BURST);
  expect(await fixture.consumers()).toBe(1);
  await ack(receiver, others);
  const waiting = receiver.queues.receive(MAILBOX, { waitMs: WAIT_MS });
  await receiver.queues.settle([{ receipt: held?.receipt ?? '', action: 'retry' }]);
  const [again] = await waiting;
  expect(again).toMatchObject({ id: 'held', attempt: 2 });
  await ack(receiver, [again]);
  expect(await receiver.queues.receive(MAILBOX, { waitMs: 300 })).toEqual([]);
  const [info] = await sender.admin.queues();
  expect(info).toMatchObject({ ready: 0, leased: 0, totals: { sent: BURST + 1, done: BURST + 1, dead: 0 } });
}, 60_000);

test.concurrent('consumers of an idle mailbox are retired, and it gets new ones when it is busy again', async () => {
  await using fixture = await start(2);
  const [sender, receiver] = fixture.transports;
  await using maintenance = await compactorOf(fixture.server.url);
  const burst = async (): Promise<void> => {
    await sender.queues.send(
      MAILBOX,
      Array.from({ length: BURST }, () => ({ body: BODY })),
    );
    const got = await receiver.queues.receive(MAILBOX, { max: 100 });
    expect(got).toHaveLength(BURST);
    await ack(receiver, got);
    expect(await fixture.consumers()).toBe(1);
  };
  await burst();
  expect(await maintenance.retire(MAILBOX, 60_000)).toBe(false);
  const [held, waiting] = [await hold(sender, receiver), receiver.queues.receive(MAILBOX, { waitMs: WAIT_MS })];
  expect(await maintenance.retire(MAILBOX, 0)).toBe(false);
  await ack(receiver, [held]);
  await vi.waitFor(async () => expect(await maintenance.retire(MAILBOX, 0)).toBe(true), { timeout: WAIT_MS });
  expect(await fixture.consumers()).toBe(0);
  await sender.queues.send(MAILBOX, [toMessage('after')]);
  expect(await waiting).toMatchObject([{ id: 'after', attempt: 1 }]);
  await ack(receiver, await waiting);
  expect(await fixture.consumers()).toBe(0);
  await burst();
  const [info] = await sender.admin.queues();
  expect(info).toMatchObject({ ready: 0, leased: 0, totals: { sent: 2 * BURST + 2, done: 2 * BURST + 2 } });
}, 60_000);

test.concurrent('while consumers are retired and made again each message comes once, to those that wait and those that do not', async () => {
  await using fixture = await start(4);
  const [sender, ...receivers] = fixture.transports;
  await using maintenance = await compactorOf(fixture.server.url);
  const got: { id: string; attempt: number }[] = [];
  const loops = receivers.map((receiver) => loop(receiver, got));
  let sent = 0;
  for (let round = 0; round < 3; round += 1) {
    const burst = Array.from({ length: BURST }, () =>
      sender.queues.send(MAILBOX, [toMessage(`m${sent++}`, sent % 10)]),
    );
    await Promise.all(burst);
    await vi.waitFor(() => expect(got.length).toBe(sent), { timeout: WAIT_MS, interval: 1 });
    const end = new AbortController();
    const trickle = (async () => {
      while (!end.signal.aborted) await sender.queues.send(MAILBOX, [toMessage(`m${sent++}`, sent % 10)]);
    })();
    // It meets a moment between two messages now and then.
    for (let attempt = 0; attempt < 2; attempt += 1) await maintenance.retire(MAILBOX, 0);
    end.abort();
    await trickle;
    await vi.waitFor(() => expect(got.length).toBe(sent), { timeout: WAIT_MS, interval: 1 });
    const isRetired = async () => (await maintenance.retire(MAILBOX, 0)) || (await fixture.consumers()) === 0;
    await vi.waitFor(async () => expect(await isRetired()).toBe(true), { timeout: WAIT_MS });
    expect(await sender.queues.receive(MAILBOX)).toEqual([]);
  }
  for (const each of loops) each.stop();
  await Promise.all(loops.map(({ done }) => done));
  expect(new Set(got.map(({ id }) => id)).size).toBe(sent);
  expect(got).toHaveLength(sent);
  expect(got.every(({ attempt }) => attempt === 1)).toBe(true);
}, 120_000);

test.concurrent('a receive that hears nothing of a message looks for it', async () => {
  const users = [
    { user: 'all', password: 'all' },
    { user: 'deaf', password: 'deaf', permissions: { subscribe: { allow: ['>'], deny: ['busbar.=.q.>'] } } },
  ];
  await using server = await startNats({ users });
  await using sender = await openNats({ ...parseNatsUrl(server.url), user: 'all', password: 'all' });
  await using receiver = await openNats({ ...parseNatsUrl(server.url), user: 'deaf', password: 'deaf' });
  await sender.queues.configure(MAILBOX, {});
  const waiting = receiver.queues.receive(MAILBOX, { waitMs: 60_000 });
  await vi.waitFor(
    async () =>
      expect(await server.monitor<{ in_msgs: number }>('varz').then(({ in_msgs }) => in_msgs)).toBeGreaterThan(0),
    { timeout: 1_000 },
  );
  await sender.queues.send(MAILBOX, [toMessage('unheard')]);
  expect(await waiting).toMatchObject([{ id: 'unheard' }]);
}, 60_000);

test.concurrent('a mailbox that was deleted begins without the messages of its earlier life', async () => {
  await using fixture = await start(2);
  const [sender, receiver] = fixture.transports;
  await sender.queues.send(MAILBOX, [toMessage('old'), toMessage('held')]);
  const [held] = await receiver.queues.receive(MAILBOX);
  expect(await sender.admin.deleteQueue(MAILBOX)).toBe(true);
  const waiting = receiver.queues.receive(MAILBOX, { waitMs: WAIT_MS });
  await sender.queues.send(MAILBOX, [toMessage('new')]);
  expect(await waiting).toMatchObject([{ id: 'new', attempt: 1 }]);
  const [late] = await receiver.queues.settle([{ receipt: held?.receipt ?? '', action: 'ack' }]);
  expect(late?.status).toBe('lease-lost');
}, 60_000);

interface Fixture extends AsyncDisposable {
  readonly server: NatsServer;
  readonly transports: readonly [Transport, Transport, Transport, Transport];
  /** The number of consumers of queues. */
  consumers(): Promise<number>;
}

async function start(count: number): Promise<Fixture> {
  const server = await startNats();
  const transports: Transport[] = [];
  for (let number = 0; number < count; number += 1) transports.push(await openNats(parseNatsUrl(server.url)));
  const connection = await connect({ servers: new URL(server.url).host });
  return {
    server,
    transports: transports as unknown as Fixture['transports'],
    async consumers() {
      const manager = await jetstreamManager(connection);
      return (await manager.streams.info('BUSBAR_QUEUES')).state.consumer_count;
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
      await Promise.all(transports.map((transport) => transport.close()));
      await server[Symbol.asyncDispose]();
    },
  };
}

function toMessage(id: string, priority = 4): { id: string; body: Uint8Array; priority: number } {
  return { id, body: BODY, priority };
}

async function ack({ queues }: Transport, deliveries: readonly ({ readonly receipt: string } | undefined)[]) {
  const settled = await queues.settle(deliveries.map((each) => ({ receipt: each?.receipt ?? '', action: 'ack' })));
  expect(settled.map(({ status }) => status)).toEqual(deliveries.map(() => 'done'));
}

async function hold(sender: Transport, receiver: Transport) {
  await sender.queues.send(MAILBOX, [toMessage('held')]);
  const [delivery] = await receiver.queues.receive(MAILBOX);
  expect(delivery?.id).toBe('held');
  return delivery;
}

/** Receives and acks until it is stopped. */
function loop(
  { queues }: Transport,
  got: { id: string; attempt: number }[],
  mailbox = MAILBOX,
): { stop(): void; done: Promise<void> } {
  const end = new AbortController();
  const run = async (): Promise<void> => {
    while (!end.signal.aborted) {
      const deliveries = await queues.receive(mailbox, { max: 4, waitMs: WAIT_MS, signal: end.signal });
      got.push(...deliveries.map(({ id, attempt }) => ({ id, attempt })));
      if (deliveries.length > 0) await queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
    }
  };
  // An aborted receive rejects.
  const done = run().catch((error: unknown) => {
    if (!end.signal.aborted) throw error;
  });
  return { stop: () => end.abort(), done };
}
