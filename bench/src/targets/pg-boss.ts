/** pg-boss, a job queue on PostgreSQL for Node: https://github.com/timgit/pg-boss */

import { PgBoss } from 'pg-boss';
import type { Body, Client, TargetLocation } from '../client.ts';

const QUEUE = 'work';
/** A task that fails is retried at once. */
const OPTIONS = { retryLimit: 1, notify: true };
/** Notifications wake its workers; without one they look twice a second, its shortest interval. */
const WAKING = { pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5, burstWhenBatchFull: true };

export async function open({ url }: TargetLocation): Promise<Client> {
  const boss = new PgBoss({ connectionString: url, useListenNotify: true, max: 10 });
  boss.on('error', () => undefined);
  await boss.start();
  await boss.createQueue(QUEUE, OPTIONS);
  return {
    async send(bodies) {
      const [data] = bodies;
      if (bodies.length === 1 && data) await boss.send(QUEUE, data);
      else
        await boss.insert(
          QUEUE,
          bodies.map((body) => ({ data: body })),
        );
    },
    async work(inFlight, handle) {
      // A worker of single tasks takes two a second: it goes on at once after a full batch only.
      const options = { ...WAKING, batchSize: Math.max(2, inFlight), perJobResults: true } as const;
      await boss.work<Body>(QUEUE, options, async (jobs) =>
        jobs.map(({ id, data }) => {
          try {
            handle(data);
            return { id, status: 'completed' };
          } catch {
            return { id, status: 'failed' };
          }
        }),
      );
      return () => boss.offWork(QUEUE, { wait: true });
    },
    close: () => boss.stop({ graceful: true, timeout: 5_000 }),
  };
}
