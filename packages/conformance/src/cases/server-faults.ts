/** Fault injection: a killed server, a broken and a slow network under load. */

import type { Bus } from '@busbar/api';
import type { ConformanceCase } from '../case.ts';
import type { Lab } from '../context/test-context.ts';
import { BackgroundLoad } from '../faults/background-load.ts';
import { receiveOne, settle } from '../steps/consuming.ts';

const group = 'Fault injection';
const powers = ['server'] as const;
const BACK_MS = 20_000;

export const cases: readonly ConformanceCase[] = [
  {
    id: 'I1',
    group,
    title: 'a killed server keeps its queues, attempts, ids, events, bindings, keys and fencing tokens',
    level: 'MUST',
    rules: ['RD1', 'RQ2', 'RQ7', 'RE1', 'RT3', 'RT5', 'RQ5'],
    powers,
    timeoutMs: 60_000,
    notApplicable: keepsNothing,
    async run(lab) {
      const before = await writeAll(lab);
      await lab.server.kill();
      await lab.server.start();
      await readAll(lab, before);
    },
  },
  {
    id: 'I2',
    group,
    title: 'connections cut under load, also in the middle of a message, lose nothing',
    level: 'MUST',
    rules: ['RA2', 'RD2', 'RQ1'],
    powers,
    timeoutMs: 90_000,
    async run(lab) {
      const { wire } = lab.server;
      const load = new BackgroundLoad(lab);
      await load.start();
      for (let cut = 0; cut < 3; cut += 1) {
        wire.cutAfter(1 + Math.floor(lab.random() * 5_000));
        await load.recovers();
        wire.heal();
        wire.cut();
        await load.recovers();
      }
      await load.finish();
    },
  },
  {
    id: 'I7',
    group,
    title: 'a slow network, also with varying speed, changes nothing except durations',
    level: 'MUST',
    rules: ['RA2', 'RQ1', 'RQ3'],
    powers,
    timeoutMs: 90_000,
    async run(lab) {
      const load = new BackgroundLoad(lab);
      await load.start({ leaseMs: 5_000 });
      for (const delayMs of [20, 100, 5]) {
        lab.server.wire.delay(delayMs);
        await load.recovers();
      }
      lab.server.wire.heal();
      await load.finish();
      lab.check.equal(lab.recorder.duplicates(), [], 'delivered twice without a lost connection');
    },
  },
];

/** State compared before and after the kill. */
interface Written {
  readonly bus: Bus;
  readonly token: number;
  readonly revision: number;
  readonly position: string;
}

async function writeAll(lab: Lab): Promise<Written> {
  const transport = await lab.transport();
  const { queues, topics, kv } = transport;
  await queues.configure('work', { leaseMs: 1_000, maxAttempts: 3 });
  await lab.send(transport, 'work', [{ id: 'one', body: Buffer.from('one') }]);
  await settle(lab, transport, [await receiveOne(lab, transport, 'work')], { action: 'retry' });
  await lab.send(transport, 'dead', [{ id: 'dead', body: Buffer.from('dead') }]);
  await settle(lab, transport, [await receiveOne(lab, transport, 'dead')], { action: 'reject', reason: 'no' });
  await lab.send(transport, 'done', [{ id: 'done', body: Buffer.from('done') }]);
  await lab.ack(transport, [await receiveOne(lab, transport, 'done')]);
  await lab.send(transport, 'later', [{ id: 'later', body: Buffer.from('later'), delayMs: 3_000 }]);
  await topics.bind('bound', 'news.*');
  const [event] = await topics.publish('news.one', [{ id: 'event', body: Buffer.from('event') }]);
  const put = await kv.put('entry', Buffer.from('1'));
  const bus = await lab.bus();
  const lock = await bus.lock('door', { waitMs: 0, ttlMs: 60_000 });
  const { token } = lock;
  await lock.release();
  lab.check.equal(put.status, 'stored', 'the entry');
  const revision = put.status === 'stored' ? put.revision : 0;
  // Attempts and settlements may be lost only if they happened within the declared time before the kill.
  const { attemptLossMs, settleLossMs } = lab.capabilities;
  const safeAt = performance.now() + Math.max(attemptLossMs, settleLossMs);
  await lab.until('the declared time to pass', () => performance.now() >= safeAt, Number.POSITIVE_INFINITY);
  return { bus, token, revision, position: event?.position ?? '' };
}

async function readAll(lab: Lab, { bus, token, revision, position }: Written): Promise<void> {
  const { check } = lab;
  const transport = await lab.transport();
  const { queues, topics, kv, admin } = transport;
  const again = await receiveOne(lab, transport, 'work', BACK_MS);
  check.equal([again.id, again.attempt], ['one', 2], 'the retried message');
  await lab.ack(transport, [again]);
  const dead = await admin.browse('dead', { state: 'dead' });
  check.equal(
    dead.messages.map(({ message, dead: why }) => [message.id, why?.reason]),
    [['dead', 'no']],
    'dead letters',
  );
  if (lab.capabilities.features.dedupeSurvivesRestart) {
    const [sent] = await queues.send('done', [{ id: 'done', body: Buffer.from('done') }]);
    check.equal(sent?.status, 'duplicate', 'an id that was sent before');
    await lab.nothing(transport, 'done', 100);
  }
  const later = await receiveOne(lab, transport, 'later', BACK_MS);
  check.equal([later.id, later.attempt], ['later', 1], 'the delayed message');
  await topics.publish('news.two', [{ id: 'event-2', body: Buffer.from('event-2') }]);
  const bound = await lab.receive(transport, 'bound', 2, BACK_MS);
  check.equal(
    bound.map(({ id }) => id),
    ['event', 'event-2'],
    'events of the binding',
  );
  const history: string[] = [];
  await using subscription = await topics.subscribe('news.*', { from: 'start' }, (events) => {
    for (const { id } of events) history.push(id);
  });
  await lab.until('the history', () => history.length >= 2, BACK_MS);
  check.equal(history, ['event', 'event-2'], 'the history');
  await subscription.close();
  await using rest = await topics.subscribe('news.*', { from: { after: position } }, () => undefined);
  await rest.close();
  const entry = await kv.get('entry');
  check.equal([entry && lab.text({ body: entry.value }), entry?.revision], ['1', revision], 'the entry');
  const put = await kv.put('entry', Buffer.from('2'), { ifRevision: revision });
  check.ok(put.status === 'stored' && put.revision > revision, 'its next revision is higher');
  const lock = await bus.lock('door', { waitMs: 5_000 });
  check.ok(lock.token > token, `the next fencing token is higher: ${lock.token} after ${token}`);
  await lock.release();
}

function keepsNothing({ durability }: Lab['capabilities']): string | undefined {
  return durability === 'none' ? 'Its declared durability is `none`.' : undefined;
}
