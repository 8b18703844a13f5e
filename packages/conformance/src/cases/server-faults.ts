/** Fault injection: a killed server, a broken and a slow network under load. */

import type { Bus } from '@busbar/api';
import { type ConformanceCase, defineCases, keepsNothing } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { BackgroundLoad } from '../faults/background-load.ts';
import { fieldsOf, receiveOne, settle } from '../steps/consuming.ts';
import { storedOf } from '../steps/values.ts';

const BACK_MS = 20_000;

const shared = { group: 'Fault injection', harnessFeatures: ['server'], timeoutMs: 90_000 } as const;

export const cases: readonly ConformanceCase[] = defineCases(shared, [
  {
    id: 'I1',
    title: 'a killed server keeps its queues, attempts, ids, events, bindings, keys and fencing tokens',
    rules: ['RD1', 'RQ2', 'RQ7', 'RE1', 'RT3', 'RT5', 'RQ5'],
    timeoutMs: 60_000,
    notApplicable: keepsNothing,
    async run(test) {
      const before = await writeAll(test);
      await test.server.kill();
      await test.server.start();
      await readAll(test, before);
    },
  },
  {
    id: 'I2',
    title: 'connections cut under load, also in the middle of a message, lose nothing',
    rules: ['RA2', 'RD2', 'RQ1'],
    async run(test) {
      const { network } = test.server;
      const load = new BackgroundLoad(test);
      await load.start();
      for (let cut = 0; cut < 3; cut += 1) {
        network.cutAfter(1 + Math.floor(test.random() * 5_000));
        await load.recovers();
        network.heal();
        network.cut();
        await load.recovers();
      }
      await load.finish();
    },
  },
  {
    id: 'I7',
    title: 'a slow network, also with varying speed, changes nothing except durations',
    rules: ['RA2', 'RQ1', 'RQ3'],
    async run(test) {
      const load = new BackgroundLoad(test);
      await load.start({ leaseMs: 5_000 });
      for (const delayMs of [20, 100, 5]) {
        test.server.network.delay(delayMs);
        await load.recovers();
      }
      test.server.network.heal();
      await load.finish();
      test.check.equal(test.recorder.duplicates(), [], 'delivered twice without a lost connection');
    },
  },
]);

/** State compared before and after the kill. */
interface Written {
  readonly bus: Bus;
  readonly token: number;
  readonly revision: number;
  readonly position: string;
}

async function writeAll(test: TestContext): Promise<Written> {
  const transport = await test.transport();
  const { queues, topics, kv } = transport;
  await queues.configure('work', { leaseMs: 1_000, maxAttempts: 3 });
  await test.send(transport, 'work', [{ id: 'one', body: Buffer.from('one') }]);
  await settle(test, transport, [await receiveOne(test, transport, 'work')], { action: 'retry' });
  await test.send(transport, 'dead', [{ id: 'dead', body: Buffer.from('dead') }]);
  await settle(test, transport, [await receiveOne(test, transport, 'dead')], { action: 'reject', reason: 'no' });
  await test.send(transport, 'done', [{ id: 'done', body: Buffer.from('done') }]);
  await test.ack(transport, [await receiveOne(test, transport, 'done')]);
  await test.send(transport, 'later', [{ id: 'later', body: Buffer.from('later'), delayMs: 3_000 }]);
  await topics.bind('bound', 'news.*');
  const [event] = await topics.publish('news.one', [{ id: 'event', body: Buffer.from('event') }]);
  const { revision } = storedOf(test, await kv.put('entry', Buffer.from('1')));
  const bus = await test.bus();
  const lock = await bus.lock('door', { waitMs: 0, leaseMs: 60_000 });
  const { token } = lock;
  await lock.release();
  // Attempts and settlements may be lost only if they happened within the declared time before the kill.
  const { attemptLossMs, settleLossMs } = test.capabilities;
  const safeAt = performance.now() + Math.max(attemptLossMs, settleLossMs);
  await test.until('the declared time to pass', () => performance.now() >= safeAt, Number.POSITIVE_INFINITY);
  return { bus, token, revision, position: event?.position ?? '' };
}

async function readAll(test: TestContext, { bus, token, revision, position }: Written): Promise<void> {
  const { check } = test;
  const transport = await test.transport();
  const { queues, topics, kv, admin } = transport;
  const again = await receiveOne(test, transport, 'work', BACK_MS);
  check.equal([again.id, again.attempt], ['one', 2], 'the retried message');
  await test.ack(transport, [again]);
  const dead = await admin.browse('dead', { state: 'dead' });
  check.mapped(dead.messages, (one) => [one.message.id, one.dead?.reason], [['dead', 'no']], 'dead letters');
  if (test.capabilities.features.dedupeSurvivesRestart) {
    const [sent] = await queues.send('done', [{ id: 'done', body: Buffer.from('done') }]);
    check.equal(sent?.status, 'duplicate', 'an id sent before');
    await test.nothing(transport, 'done', 100);
  }
  const later = await receiveOne(test, transport, 'later', BACK_MS);
  check.equal([later.id, later.attempt], ['later', 1], 'the delayed message');
  await topics.publish('news.two', [{ id: 'event-2', body: Buffer.from('event-2') }]);
  const bound = await test.receive(transport, 'bound', 2, BACK_MS);
  check.equal(fieldsOf(bound, 'id'), ['event', 'event-2'], 'events of the binding');
  const history: string[] = [];
  await using subscription = await topics.subscribe('news.*', { from: 'start' }, (events) => {
    for (const { id } of events) history.push(id);
  });
  await test.until('the history', () => history.length >= 2, BACK_MS);
  check.equal(history, ['event', 'event-2'], 'the history');
  await subscription.close();
  await using rest = await topics.subscribe('news.*', { from: { after: position } }, () => undefined);
  await rest.close();
  const entry = await kv.get('entry');
  check.equal([entry && test.text({ body: entry.value }), entry?.revision], ['1', revision], 'the entry');
  const next = storedOf(test, await kv.put('entry', Buffer.from('2'), { ifRevision: revision }));
  check.ok(next.revision > revision, 'its next revision is higher');
  const lock = await bus.lock('door', { waitMs: 5_000 });
  check.ok(lock.token > token, `the next fencing token is higher: ${lock.token} after ${token}`);
  await lock.release();
}
