/** Many processes share one queue, and some of them are killed at random. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { TestContext } from '../context/test-context.ts';
import { drainFully } from '../steps/consuming.ts';
import { isEmpty, queueInfo } from '../steps/queue-view.ts';
import type { RemoteClient } from './remote-client.ts';
import type { RemoteLoad } from './remote-load.ts';

/** The number of processes, of messages each producer sends, and of kills. */
export interface LoadPlan {
  readonly producers: number;
  readonly consumers: number;
  readonly each: number;
  readonly kills: number;
}

/** The loads of all processes. */
export interface LoadResult {
  readonly producing: readonly RemoteLoad[];
  readonly consuming: readonly RemoteLoad[];
  /** Maximum event loop delay of this idle process, which shows how busy the machine was. */
  readonly lagMs: number;
}

const LEASE_MS = 1_000;

/** Runs the loads, kills some processes, and waits until all sends end and the queue is empty. */
export async function runManyProcesses(test: TestContext, queue: string, plan: LoadPlan): Promise<LoadResult> {
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
  const lag = monitorEventLoopDelay({ resolution: 5 });
  lag.enable();
  await killSome(test, clients, producing, plan);
  await Promise.all(producing.map(({ over }) => over));
  lag.disable();
  await test.until('the queue is empty', () => isEmpty(transport, queue), 30_000);
  await Promise.all(consuming.map((load) => load.stop().catch(() => undefined)));
  return { producing, consuming, lagMs: lag.max / 1e6 };
}

/** Asserts that no message was lost, and none redelivered after its ack. */
export async function checkManyProcesses(
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
