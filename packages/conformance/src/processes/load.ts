/** Many processes share one queue, and some of them are killed at random. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Lab } from '../context/test-context.ts';
import { drainFully } from '../steps/draining.ts';
import { queueInfo } from '../steps/queue-view.ts';
import type { Load, RemoteClient } from './remote-client.ts';

/** The number of processes, of messages each producer sends, and of kills. */
export interface Crowd {
  readonly producers: number;
  readonly consumers: number;
  readonly each: number;
  readonly kills: number;
}

/** The loads of all processes. */
export interface CrowdWork {
  readonly producing: readonly Load[];
  readonly consuming: readonly Load[];
  /** Maximum event loop delay of this idle process, which shows how busy the machine was. */
  readonly lagMs: number;
}

const LEASE_MS = 1_000;

/** Runs the loads, kills some processes, and waits until all sends end and the queue is empty. */
export async function crowd(lab: Lab, queue: string, plan: Crowd): Promise<CrowdWork> {
  const transport = await lab.transport();
  await transport.queues.configure(queue, { leaseMs: LEASE_MS, maxAttempts: 100 });
  const total = plan.producers + plan.consumers;
  const clients = await Promise.all(Array.from({ length: total }, () => lab.process()));
  const consumers = clients.slice(plan.producers);
  const consuming = await Promise.all(consumers.map((client) => client.consume(queue, { max: 4 })));
  const producing = await Promise.all(
    clients
      .slice(0, plan.producers)
      .map((client, index) => client.produce(queue, { prefix: `p${index}`, count: plan.each })),
  );
  const lag = monitorEventLoopDelay({ resolution: 5 });
  lag.enable();
  await killSome(lab, clients, producing, plan);
  await Promise.all(producing.map(({ over }) => over));
  lag.disable();
  await lab.until('the queue is empty', () => isEmpty(lab, queue), 30_000);
  await Promise.all(consuming.map((load) => load.stop().catch(() => undefined)));
  return { producing, consuming, lagMs: lag.max / 1e6 };
}

/** Asserts that no message was lost, and none redelivered after its ack. */
export async function judgeCrowd(lab: Lab, queue: string, { producing, consuming }: CrowdWork): Promise<void> {
  for (const { seen } of consuming) lab.recorder.merge(seen);
  const sent = producing.flatMap((load) => load.sent);
  const acked = consuming.flatMap((load) => load.acked);
  const left = await drainFully(lab, await lab.transport(), queue);
  lab.check.equal(left.length, 0, 'left in the queue');
  lab.check.ok(sent.length > 0, 'something was sent');
  lab.check.equal(lab.recorder.lost(sent), [], 'acknowledged and never delivered');
  lab.check.equal(acked.length, new Set(acked).size, 'acks of one message');
  lab.check.equal(lab.recorder.repeated(), [], 'deliveries with the attempt number of an earlier one');
  const { dead, totals } = await queueInfo(await lab.transport(), queue);
  lab.check.equal(dead, 0, 'dead letters');
  lab.check.ok(totals.done >= acked.length, `${totals.done} counted as done, ${acked.length} acked`);
}

/** Kills processes at random moments during the work. */
async function killSome(
  lab: Lab,
  clients: readonly RemoteClient[],
  producing: readonly Load[],
  plan: Crowd,
): Promise<void> {
  const alive = [...clients];
  const moments = Array.from({ length: plan.kills }, () => (0.1 + lab.random() * 0.6) * plan.producers * plan.each);
  for (const moment of moments.sort((one, other) => one - other)) {
    const sent = (): number => producing.reduce((sum, load) => sum + load.sent.length, 0);
    await lab.until('enough is sent for a kill', () => sent() >= moment, 30_000);
    const [victim] = alive.splice(Math.floor(lab.random() * alive.length), 1);
    await victim?.kill();
  }
}

async function isEmpty(lab: Lab, queue: string): Promise<boolean> {
  const { ready, leased, delayed } = await queueInfo(await lab.transport(), queue);
  return ready + leased + delayed === 0;
}
