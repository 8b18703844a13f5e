/** Multi-process: several processes on one store. */

import { setTimeout as pause } from 'node:timers/promises';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import type { TimedCall } from '../processes/protocol.ts';
import { moduleOf, type RemoteClient } from '../processes/remote-client.ts';
import type { RemoteLoad } from '../processes/remote-load.ts';
import { consume, drainFully, receiveOne, texts } from '../steps/consuming.ts';
import { follow } from '../steps/event-log.ts';
import { isEmpty, queueInfo } from '../steps/queue-view.ts';

const following = moduleOf('follow-changes');
const LEASE_MS = 1_000;
const SMALL: LoadPlan = { producers: 3, consumers: 3, each: 60, kills: 1 };
const LARGE: LoadPlan = { producers: 10, consumers: 8, each: 150, kills: 2 };
/**
 * How often each other process may overtake a send. It shows that no process starves, however fast the machine is: at most 5
 * do, also with more load than cores; with the busy handler of SQLite 14 to 37 did.
 */
const OVERTAKING_CALLS = 10;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Multi-process' }, [
  {
    id: 'M1',
    title: 'processes share queues, events, keys and receipts',
    rules: ['RQ1', 'RQ3', 'RT1', 'RE1'],
    shows: ['portableReceipts'],
    harnessFeatures: ['processes'],
    smoke: true,
    async run(test, here) {
      const there = await test.process();
      const log = await follow(test, here, 'news.*');
      await there.publish('news.today', test.messages(2, {}, 'event'));
      await log.has(['event0', 'event1'], 'events of another process');
      await there.send('work', test.messages(2));
      test.check.equal(texts(test, await consume(test, here, 'work', 2)), ['m0', 'm1'], 'messages of another process');
      await test.send(here, 'back', test.messages(1));
      const [delivery] = await there.receive('back', { waitMs: 5_000 });
      test.check.equal(delivery && test.text(delivery), 'm0', 'a message to another process');
      const put = await there.put('key', 'theirs');
      const entry = await here.kv.get('key');
      test.check.equal(entry?.revision, put.status === 'stored' ? put.revision : undefined, 'a key of another process');
      if (!here.capabilities.features.portableReceipts) return;
      const settled = await here.queues.settle([{ receipt: delivery?.receipt ?? '', action: 'ack' }]);
      test.check.equal(settled[0]?.status, 'done', "an ack of another process's delivery");
    },
  },
  {
    id: 'M2',
    title: 'while many processes send and consume and some are killed, nothing is lost or redelivered after its ack',
    rules: ['RD1', 'RQ1', 'RQ2'],
    harnessFeatures: ['processes'],
    smoke: true,
    load: 'alone',
    timeoutMs: 60_000,
    async run(test) {
      const work = await runManyProcesses(test, 'work', test.profile === 'full' ? LARGE : SMALL);
      await checkManyProcesses(test, 'work', work);
      const others = work.producing.length + work.consuming.length - 1;
      test.check.between(mostOvertaking(work), 0, OVERTAKING_CALLS * others, 'calls of others that overtook one send');
    },
  },
  {
    id: 'M3',
    title: 'an idle consumer in another process is woken by a notification, not by slow polling',
    level: 'SHOULD',
    rules: ['RQ8'],
    harnessFeatures: ['processes'],
    load: 'alone',
    async run(test, here) {
      const consumer = await test.process();
      const load = await consumer.consume('work');
      const latencies: number[] = [];
      for (let round = 0; round < 30; round += 1) {
        await pause(5 + test.random() * 20);
        const began = performance.timeOrigin + performance.now();
        await test.send(here, 'work', test.messages(1));
        const seen = await test.until('it was seen', () => load.seen[round]);
        latencies.push(seen.at - began);
      }
      const sorted = latencies.sort((one, other) => one - other);
      test.check.between(sorted[15] ?? 0, -5, 50, 'median milliseconds from send to delivery');
      test.check.between(sorted[29] ?? 0, -5, 500, 'most milliseconds from send to delivery');
    },
  },
  {
    id: 'M6',
    title: 'several messages wake as many of the processes that wait for them',
    level: 'SHOULD',
    rules: ['RQ8'],
    harnessFeatures: ['processes'],
    load: 'alone',
    async run(test, here) {
      const processes = await Promise.all([test.process(), test.process(), test.process()]);
      const loads = await Promise.all(processes.map((process) => process.consume('work', { workMs: 1_500 })));
      const latencies: number[] = [];
      for (let round = 0; round < 3; round += 1) {
        await test.until('all wait', () => loads.every(({ acked }) => acked.length === round));
        await pause(100 + test.random() * 50);
        const began = performance.timeOrigin + performance.now();
        await test.send(here, 'work', test.messages(3));
        await test.until('each has one', () => loads.every(({ seen }) => seen.length === round + 1));
        latencies.push(...loads.map(({ seen }) => (seen[round]?.at ?? Number.NaN) - began));
      }
      const sorted = latencies.sort((one, other) => one - other);
      test.check.between(sorted[7] ?? 0, -5, 400, 'milliseconds until most processes were woken');
    },
  },
  {
    id: 'M7',
    title: 'events, ephemeral events and changes of keys reach an idle process by a notification, not by slow polling',
    level: 'SHOULD',
    rules: ['RT1', 'RE2'],
    harnessFeatures: ['processes'],
    load: 'alone',
    async run(test, here) {
      const reader = await test.process();
      await reader.run(following, 'followChanges');
      const sentAt: Record<string, number> = {};
      const changes = {
        event: (id: string) => here.topics.publish('news', [{ id, body: Uint8Array.of(1) }]),
        ephemeral: (id: string) => here.topics.publish('news', [{ id, body: Uint8Array.of(1) }], { ephemeral: true }),
        watched: (id: string) => here.kv.put(id, Uint8Array.of(1)),
      };
      const kinds = ['event', 'ephemeral', 'watched'] as const;
      for (const kind of kinds) {
        for (let round = 0; round < 10; round += 1) {
          await pause(60 + test.random() * 60);
          const name = `${kind}/${round}`;
          sentAt[name] = performance.timeOrigin + performance.now();
          await changes[kind](name);
        }
      }
      const arrivals = (): Promise<Record<string, number>> => reader.run(following, 'arrivals');
      await test.until('all have come', async () => Object.keys(await arrivals()).length === 30);
      const came = await arrivals();
      for (const kind of kinds) {
        const names = Object.keys(came).filter((name) => name.startsWith(kind));
        const latencies = names
          .map((name) => (came[name] ?? 0) - (sentAt[name] ?? 0))
          .sort((one, other) => one - other);
        test.check.between(
          latencies[5] ?? Number.NaN,
          -5,
          150,
          `median milliseconds until the process has one (${kind})`,
        );
      }
    },
  },
  {
    id: 'M5',
    title: 'the declared reach of the transport is correct',
    rules: ['RA1'],
    async run(test, here) {
      if (test.capabilities.reach === 'process') {
        await test.send(await test.open(), 'work', test.messages(1));
      } else {
        test.check.equal(test.harnessFeatures.has('processes'), true, 'another process can open it');
        await (await test.process()).send('work', test.messages(1));
      }
      test.check.equal(test.text(await receiveOne(test, here, 'work')), 'm0', 'messages sent by another client');
    },
  },
]);

/** The number of processes, of messages each producer sends, and of kills. */
interface LoadPlan {
  readonly producers: number;
  readonly consumers: number;
  readonly each: number;
  readonly kills: number;
}

/** The loads of all processes. */
interface LoadResult {
  readonly producing: readonly RemoteLoad[];
  readonly consuming: readonly RemoteLoad[];
}

/** Runs the loads, kills some processes, and waits until all sends end and the queue is empty. */
async function runManyProcesses(test: TestContext, queue: string, plan: LoadPlan): Promise<LoadResult> {
  const transport = await test.transport();
  await transport.queues.configure(queue, { leaseMs: LEASE_MS, maxAttempts: 100 });
  const total = plan.producers + plan.consumers;
  const clients = await Promise.all(Array.from({ length: total }, () => test.process()));
  const consumers = clients.slice(plan.producers);
  const consuming = await Promise.all(consumers.map((client) => client.consume(queue, { max: 4 })));
  const producing = await Promise.all(
    clients
      .slice(0, plan.producers)
      .map((client, index) => client.produce(queue, { prefix: `p${index}`, count: plan.each })),
  );
  await killSome(test, clients, producing, plan);
  await Promise.all(producing.map(({ over }) => over));
  await test.until('the queue is empty', () => isEmpty(transport, queue), 30_000);
  await Promise.all(consuming.map((load) => load.stop().catch(() => undefined)));
  return { producing, consuming };
}

/** The most calls of other processes that began after one send and ended before it. */
function mostOvertaking({ producing, consuming }: LoadResult): number {
  const loads = [...producing, ...consuming];
  const counts = producing.flatMap((own) => {
    const others = loads.filter((load) => load !== own).flatMap(({ calls }) => calls);
    const overtaking = (send: TimedCall): TimedCall[] =>
      others.filter(({ began, ended }) => began > send.began && ended < send.ended);
    return own.calls.map((send) => overtaking(send).length);
  });
  return Math.max(...counts);
}

/** Asserts that no message was lost, and none redelivered after its ack. */
async function checkManyProcesses(
  test: TestContext,
  queue: string,
  { producing, consuming }: LoadResult,
): Promise<void> {
  for (const { seen } of consuming) test.recorder.merge(seen);
  const sent = producing.flatMap((load) => load.sent);
  const acked = consuming.flatMap((load) => load.acked);
  const left = await drainFully(test, await test.transport(), queue);
  test.check.equal(left.length, 0, 'remaining in the queue');
  test.check.ok(sent.length > 0, 'something was sent');
  test.check.equal(test.recorder.lost(sent), [], 'acknowledged and never delivered');
  test.check.equal(acked.length, new Set(acked).size, 'acks of one message');
  test.check.equal(test.recorder.repeated(), [], 'deliveries with the attempt number of an earlier one');
  const { dead, totals } = await queueInfo(await test.transport(), queue);
  test.check.equal(dead, 0, 'dead letters');
  test.check.ok(totals.done >= acked.length, `${totals.done} counted as done, ${acked.length} acked`);
}

/** Kills processes at random moments during the work. */
async function killSome(
  test: TestContext,
  clients: readonly RemoteClient[],
  producing: readonly RemoteLoad[],
  plan: LoadPlan,
): Promise<void> {
  const alive = [...clients];
  const moments = Array.from({ length: plan.kills }, () => (0.1 + test.random() * 0.6) * plan.producers * plan.each);
  for (const moment of moments.sort((one, other) => one - other)) {
    const sent = (): number => producing.reduce((sum, load) => sum + load.sent.length, 0);
    await test.until('enough messages are sent for a kill', () => sent() >= moment, 30_000);
    const [victim] = alive.splice(Math.floor(test.random() * alive.length), 1);
    await victim?.kill();
  }
}
