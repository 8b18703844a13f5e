/** BullMQ, the common job queue on Redis, with its defaults, except that finished jobs are removed. */

import { type ConnectionOptions, Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { Body, Client, TargetLocation } from '../client.ts';

const QUEUE = 'work';
/** A task that fails is retried at once. */
const OPTIONS = { removeOnComplete: true, attempts: 2 };

/** With a concurrency of the calls in flight, or of `most` where several are. */
export async function open({ url }: TargetLocation, most?: number): Promise<Client> {
  // Its worker requires a client that retries without limit.
  const redis = new Redis(url, { maxRetriesPerRequest: null });
  const connection = redis as unknown as ConnectionOptions;
  const queue = new Queue<Body>(QUEUE, { connection });
  await queue.waitUntilReady();
  return {
    async send(bodies) {
      const [data] = bodies;
      if (bodies.length === 1 && data) await queue.add('task', data, OPTIONS);
      else await queue.addBulk(bodies.map((body) => ({ name: 'task', data: body, opts: OPTIONS })));
    },
    async work(inFlight, handle) {
      const concurrency = inFlight === 1 ? 1 : (most ?? inFlight);
      const worker = new Worker<Body>(QUEUE, async ({ data }) => handle(data), { connection, concurrency });
      await worker.waitUntilReady();
      return () => worker.close();
    },
    async close() {
      await queue.close();
      redis.disconnect();
    },
  };
}
