/** Reconnect: clients survive the loss of their server. */

import type { StateChange, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases, keepsNothing } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { within } from '../context/until.ts';
import { BackgroundLoad } from '../faults/background-load.ts';
import { waitEverywhere } from '../faults/pending-waits.ts';
import { SendHistory } from '../faults/send-history.ts';
import { assertBounded } from '../steps/bounded-calls.ts';
import { fieldsOf, waitUntil } from '../steps/consuming.ts';
import { assertCounts } from '../steps/queue-view.ts';
import { firstReply } from '../steps/requesting.ts';

/** Time limit for a client to reconnect after its server is back. */
const BACK_MS = 20_000;

const shared = { group: 'Reconnect', harnessFeatures: ['server'], timeoutMs: 90_000 } as const;

export const cases: readonly ConformanceCase[] = defineCases(shared, [
  {
    id: 'C1',
    title: 'after each loss receives, subscriptions, bindings, watches and registrations resume automatically, once',
    rules: ['RA2', 'RT1', 'RE2'],
    smoke: true,
    async run(test) {
      const [waiter, sender] = [await test.open(), await test.transport()];
      await sender.queues.configure('inbox');
      const waiting = await waitEverywhere(test, waiter);
      await test.agent('worker');
      await waiting.assertWake(sender, 'before');
      for (const fault of ['cut', 'restart', 'kill'] as const) {
        if (fault !== 'cut' && test.capabilities.durability === 'none') continue;
        await strike(test, fault);
        await isBack(test, sender);
        await waiting.assertWake(sender, `after a ${fault}`);
        const there = await (await test.bus()).agents();
        test.check.equal(fieldsOf(there, 'name'), ['worker'], `registered agents after a ${fault}`);
      }
    },
  },
  {
    id: 'C2',
    title: 'a send during an outage waits for the server or fails in time, and repeating it stores it once',
    rules: ['RA2', 'RD2', 'RQ7'],
    smoke: true,
    timeoutMs: 60_000,
    notApplicable: keepsNothing,
    async run(test, transport) {
      const history = new SendHistory(test);
      await history.send(transport, 'work', ['before']);
      await test.server.kill();
      const began = performance.now();
      await history.send(transport, 'work', ['early'], { timeoutMs: 500 });
      test.check.between(performance.now() - began, 0, 5_500, 'milliseconds until a call of 500 ms ended');
      test.check.ok(!history.acknowledged.has('early'), 'nothing is acknowledged while the server is down');
      const patient = history.send(transport, 'work', ['patient'], { timeoutMs: BACK_MS });
      await test.server.start();
      await patient;
      test.check.ok(history.acknowledged.has('patient'), 'the waiting send is stored');
      const again = await transport.queues.send('work', [{ id: 'early', body: Buffer.from('early') }]);
      const early = again[0]?.status;
      if (history.failed.has('early')) test.check.equal(early, 'stored', 'a repeated failed send');
      test.check.ok(early === 'stored' || early === 'duplicate', `sent again: ${early}`);
      const got = await test.receive(transport, 'work', 3, BACK_MS);
      test.check.equal(got.map(({ id }) => id).toSorted(), ['before', 'early', 'patient'], 'stored messages');
      await test.ack(transport, got);
      await test.nothing(transport, 'work', 200);
    },
  },
  {
    id: 'C13',
    title: 'after a loss a watch sees the end of keys that ended meanwhile, and an agent answers requests again',
    rules: ['RA2', 'RE2', 'RA1'],
    async run(test, { kv }) {
      const told: string[] = [];
      await (await test.open()).kv.watch('watched/', (changes) => {
        for (const change of changes) told.push('key' in change ? change.key : change.kind);
      });
      const [requester, service] = [await test.agent('@requester'), await test.agent('@service')];
      service.handle('ping', () => 'pong');
      const ping = (): Promise<unknown> => requester.request('@service', 'ping', null, { timeoutMs: 5_000 });
      const { calls } = await test.open();
      await calls?.serve('answering', {}, async function* () {
        yield { body: Uint8Array.of(1) };
      });
      test.check.equal(await ping(), 'pong', 'the response before');
      await kv.put('watched/short', Uint8Array.of(1), { ttlMs: 600 });
      await test.until('the watch sees it', () => told.includes('put'));
      test.server.network.block();
      await waitUntil(test, performance.now() + test.beyond(600) + 400);
      test.server.network.heal();
      await test.until('the watch sees its end', () => told.includes('watched/short'), BACK_MS);
      test.check.equal(told, ['synced', 'put', 'watched/short'], 'changes of the watch');
      const answers = async (): Promise<boolean> => (await ping().catch(() => undefined)) === 'pong';
      await test.until('the agent answers again', answers, BACK_MS);
      // A request may have gone another way than the calls of the transport.
      const caller = (await test.open()).calls;
      const reply = (): Promise<unknown> =>
        firstReply(caller?.call('answering', { body: Uint8Array.of(0) })).catch(String);
      if (caller !== undefined)
        await test.until('calls are answered again', async () => (await reply()) === 1, BACK_MS);
    },
  },
  {
    id: 'C14',
    title: 'when the answer is lost, a send is repeated and reported as stored, and a settlement is never repeated',
    rules: ['RD2', 'RQ3', 'RA2'],
    notApplicable: keepsNothing,
    async run(test, transport) {
      const { network } = test.server;
      const delayMs = 200;
      await transport.queues.configure('work', { leaseMs: 60_000 });
      /** Cuts the connection when a request has arrived and its answer is on the way. `trip`: how many were answered before. */
      const withoutAnswer = async <T>(trip: number, call: () => Promise<T>): Promise<T> => {
        network.delay(delayMs);
        const answer = call();
        await waitUntil(test, performance.now() + (2 * trip + 1.5) * delayMs);
        network.heal();
        network.cut();
        return answer;
      };
      for (let round = 0; round < 3; round += 1) {
        const id = `id-${round}`;
        const [sent] = await withoutAnswer(round, () => transport.queues.send('work', test.messages(1, { id })));
        test.check.equal(sent?.status, 'stored', 'the send');
        const [held] = await test.receive(transport, 'work', 1, BACK_MS);
        test.check.equal([held?.id, held?.attempt], [id, 1], 'the message');
        const receipt = held?.receipt ?? '';
        const [settled] = await withoutAnswer(round, () => transport.queues.settle([{ receipt, action: 'ack' }]));
        test.check.ok(settled?.status === 'done' || settled?.status === 'unknown', `the ack: ${settled?.status}`);
        await test.until('the server is back', () => isBack(test, transport).then(() => true), BACK_MS);
        if (settled?.status === 'unknown') await transport.queues.settle([{ receipt, action: 'ack' }]);
      }
      await assertCounts(test, transport, 'work', { ready: 0, leased: 0 });
    },
  },
  {
    id: 'C15',
    title: 'an orderly restart of the server leaves leased messages with their holders',
    rules: ['RQ2', 'RQ3', 'RA2'],
    notApplicable: keepsNothing,
    async run(test, holder) {
      const other = await test.open();
      await holder.queues.configure('work', { leaseMs: 60_000 });
      await test.send(holder, 'work', test.messages(2));
      const held = await test.receive(holder, 'work', 2);
      await test.server.stop();
      await test.server.start();
      await isBack(test, holder);
      await isBack(test, other);
      await test.nothing(other, 'work', 300);
      await assertCounts(test, other, 'work', { ready: 0, leased: 2, dead: 0 });
      await test.ack(holder, held);
      await assertCounts(test, other, 'work', { ready: 0, leased: 0, dead: 0 });
    },
  },
  {
    id: 'C3',
    title: 'a disconnected client retries at a limited rate until it reaches its server',
    level: 'SHOULD',
    rules: ['RA2'],
    timeoutMs: 40_000,
    async run(test, transport) {
      const { network } = test.server;
      await blockUntilRetried(test, transport, 2);
      const began = network.accepted;
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      test.check.between(network.accepted - began, 0, 100, 'connection attempts of one client in two seconds');
      network.heal();
      await isBack(test, transport);
      await useIt(test, transport);
    },
  },
  {
    id: 'C4',
    title: 'a closed client stops reconnecting',
    rules: ['RA3', 'RA2'],
    timeoutMs: 40_000,
    async run(test, transport) {
      const { network } = test.server;
      await blockUntilRetried(test, transport, 1);
      await within(8_000, 'a client without a server did not close within 8 s', transport.close());
      // A connection attempt made before the close may still arrive.
      await new Promise((resolve) => setTimeout(resolve, 200));
      const after = network.accepted;
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      test.check.equal(network.accepted, after, 'connection attempts after the close');
      test.check.equal(transport.state, 'closed', 'its state');
    },
  },
  {
    id: 'C5',
    title: 'a half-open connection is detected, and work continues',
    rules: ['RA2'],
    async run(test) {
      const [waiter, sender] = [await test.open(), await test.transport()];
      await sender.queues.configure('inbox');
      const waiting = await waitEverywhere(test, waiter);
      await waiting.assertWake(sender, 'before');
      test.server.network.halfOpen();
      const began = performance.now();
      await new SendHistory(test).send(sender, 'other', ['lost in the net'], { timeoutMs: 1_000 });
      test.check.between(performance.now() - began, 0, 6_000, 'milliseconds until a call of 1,000 ms ended');
      await test.until('the half-open connection is detected', () => waiter.state === 'reconnecting', 40_000);
      test.server.network.cut();
      test.server.network.heal();
      await isBack(test, sender);
      await waiting.assertWake(sender, 'after');
    },
  },
  {
    id: 'C6',
    title: 'opening without a server fails in time with UNAVAILABLE',
    rules: ['RA2', 'RA1'],
    async run(test) {
      const { network } = test.server;
      for (const fault of ['block', 'halfOpen'] as const) {
        network[fault]();
        const opening = test.open();
        const late = `opening did not end within 40 s after ${fault}`;
        await test.check.rejects(within(40_000, late, opening), ['UNAVAILABLE', 'TIMEOUT'], `opening after ${fault}`);
        network.heal();
      }
      await useIt(test, await test.open());
    },
  },
  {
    id: 'C7',
    title: 'when one of several servers is down, clients continue with the others, and new clients find them',
    rules: ['RA2'],
    harnessFeatures: ['server', 'spare'],
    async run(test, transport) {
      await useIt(test, transport);
      await test.server.kill();
      await isBack(test, transport, 40_000);
      await useIt(test, transport);
      await useIt(test, await test.open());
      await test.server.start();
    },
  },
  {
    id: 'C8',
    title: 'every call in flight when the server is killed ends in time and reports its outcome',
    rules: ['RA2', 'RD2'],
    smoke: true,
    timeoutMs: 60_000,
    async run(test, transport) {
      await useIt(test, transport);
      const { queues, topics, kv, admin } = transport;
      const body = Buffer.from('under way');
      const bound = { timeoutMs: 1_500 };
      test.server.pause();
      const calls: Record<string, Promise<unknown>> = {
        send: queues.send('work', [{ body }], bound),
        publish: topics.publish('news', [{ body }], bound),
        put: kv.put('key', body, bound),
        get: kv.get('key', bound),
        configure: queues.configure('work', {}, bound),
        bind: topics.bind('work', 'news', bound),
        list: admin.queues(bound),
        browse: admin.browse('work', bound),
      };
      const began = performance.now();
      const ends = Object.entries(calls).map(async ([what, call]) => [what, await endOf(test, what, call)] as const);
      await test.server.kill();
      const all = await within(15_000, 'a call did not end within 15 s', Promise.all(ends));
      test.check.between(performance.now() - began, 0, 15_000, 'milliseconds until all ended');
      const done = all.filter(([, end]) => end === 'done');
      test.check.equal(done, [], 'done while the server was down');
      await test.server.start();
      await isBack(test, transport);
    },
  },
  {
    id: 'C9',
    title: 'a server frozen for longer than a lease recovers without a double effect',
    rules: ['RA2', 'RQ2', 'RQ3'],
    async run(test) {
      const load = new BackgroundLoad(test);
      await load.start({ leaseMs: 1_000 });
      test.server.pause();
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      test.server.resume();
      await load.recovers();
      await load.finish();
    },
  },
  {
    id: 'C10',
    title: 'two hundred clients reconnect soon after a restart of their server, each with its mailbox',
    rules: ['RA2', 'RQ8'],
    load: 'alone',
    timeoutMs: 120_000,
    notApplicable: keepsNothing,
    async run(test, sender) {
      const clients = await Promise.all(Array.from({ length: 200 }, () => test.open()));
      const mailboxes = clients.map((_, index) => `mail.${index}`);
      const woken = clients.map((client, index) =>
        client.queues.receive(mailboxes[index] ?? '', { waitMs: Number.POSITIVE_INFINITY }),
      );
      await test.server.kill();
      await test.server.start();
      await isBack(test, sender);
      for (const mailbox of mailboxes) await test.send(sender, mailbox, [{ body: Buffer.from(mailbox) }]);
      const got = await within(40_000, 'not all 200 clients reconnected within 40 s', Promise.all(woken));
      test.check.mapped(got, ([delivery]) => delivery && test.text(delivery), mailboxes, 'messages of each client');
    },
  },
  {
    id: 'C11',
    title: 'a client reports loss, recovery and close of its connection in order',
    rules: ['RA2', 'RA3'],
    smoke: true,
    timeoutMs: 60_000,
    async run(test) {
      const transport = await test.open();
      const changes: StateChange[] = [];
      transport.onState((change) => changes.push(change));
      for (let round = 0; round < 2; round += 1) {
        test.server.network.block();
        await test.until('it reports `reconnecting`', () => transport.state === 'reconnecting', BACK_MS);
        test.server.network.heal();
        await test.until('it reports `open`', () => transport.state === 'open', BACK_MS);
      }
      await transport.close();
      const states = changes.map(({ state }) => state);
      const loss = ['reconnecting', 'open'];
      test.check.equal(states, [...loss, ...loss, 'closing', 'closed'], 'the changes');
      for (const { state, error } of changes)
        if (state === 'reconnecting') test.check.equal(error?.code, 'UNAVAILABLE', 'error code of the loss');
    },
  },
  {
    id: 'C12',
    title: 'while the server is away, locks, semaphores and lists of agents fail within their own bounds',
    rules: ['RA2', 'RE1'],
    async run(test) {
      const bus = await test.bus({ onError: () => undefined });
      await test.server.kill();
      await test.until('it reports `reconnecting`', () => bus.transport.state === 'reconnecting', BACK_MS);
      await assertBounded(test, bus, ['UNAVAILABLE'], 5_000);
      await test.server.start();
      await isBack(test, bus.transport);
      await using lock = await bus.lock('door', { waitMs: BACK_MS });
      test.check.ok(!lock.lost, 'the lock after the outage');
    },
  },
]);

async function strike({ server }: TestContext, fault: 'cut' | 'restart' | 'kill'): Promise<void> {
  if (fault === 'cut') return server.network.cut();
  await (fault === 'kill' ? server.kill() : server.stop());
  await server.start();
}

/** Blocks the network of a client in use. Resolves after `times` further connection attempts. */
async function blockUntilRetried(test: TestContext, transport: Transport, times: number): Promise<void> {
  const { network } = test.server;
  await useIt(test, transport);
  network.block();
  const before = network.accepted;
  await test.until('it tries to reconnect', () => network.accepted >= before + times, BACK_MS);
}

/** Resolves when a call succeeds again. */
async function isBack(test: TestContext, transport: Transport, withinMs = BACK_MS): Promise<void> {
  const asks = (): Promise<boolean> =>
    transport.kv.get('anything', { timeoutMs: 2_000 }).then(
      () => true,
      () => false,
    );
  await test.until('the client is reconnected', asks, withinMs);
}

async function useIt(test: TestContext, transport: Transport): Promise<void> {
  await test.send(transport, 'used', test.messages(1));
  await test.ack(transport, await test.receive(transport, 'used', 1));
}

async function endOf(test: TestContext, what: string, call: Promise<unknown>): Promise<string> {
  const results = await call.then(
    (value) => (Array.isArray(value) ? value : []) as readonly { readonly status?: string; readonly error?: unknown }[],
    (error: unknown) => [{ error }],
  );
  for (const { error } of results) {
    if (error === undefined) continue;
    const { code } = await test.check.rejects(Promise.reject(error), ['UNAVAILABLE', 'TIMEOUT'], what);
    return code;
  }
  return 'done';
}
