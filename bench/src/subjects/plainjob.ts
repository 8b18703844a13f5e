/** plainjob, a job queue on better-sqlite3 for Node: https://github.com/justplainstuff/plainjob */

import Database from 'better-sqlite3';
import { better, defineQueue, defineWorker, type Worker } from 'plainjob';
import { type Client, type Heard, makeBody, type Place, sharedNow } from '../client.ts';

const quiet = { error() {}, warn() {}, info() {}, debug() {} };

export async function open({ folder, durability }: Place, adding: 'one' | 'many'): Promise<Client> {
  const database = new Database(`${folder}/plainjob.db`, { timeout: 30_000 });
  const queue = defineQueue({ connection: better(database), logger: quiet });
  database.pragma(`synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`);
  const heard: Heard[] = [];
  let worker: Worker | undefined;
  return {
    async produce(count, inFlight, bodyBytes) {
      let slowestMs = 0;
      for (let next = 0; next < count; ) {
        const size = adding === 'one' ? 1 : Math.min(inFlight, count - next);
        const bodies = Array.from({ length: size }, (_, index) => makeBody(next + index, bodyBytes));
        const began = performance.now();
        if (adding === 'one') queue.add('work', bodies[0]);
        else queue.addMany('work', bodies);
        slowestMs = Math.max(slowestMs, performance.now() - began);
        next += size;
        await Promise.resolve();
      }
      return { slowestMs };
    },
    async consume(count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      let done = 0;
      const onCompleted = (): void => {
        done += 1;
        if (done === count) resolve();
      };
      const worker = defineWorker('work', (job) => void JSON.parse(job.data), { queue, logger: quiet, onCompleted });
      void worker.start();
      await promise;
      await worker.stop();
    },
    async ping() {
      const calledAt = sharedNow();
      queue.add('ping', calledAt);
      return { calledAt, storedAt: sharedNow() };
    },
    async listen() {
      const hear = (job: { data: string }): void =>
        void heard.push({ calledAt: Number(job.data), heardAt: sharedNow() });
      worker = defineWorker('ping', hear, { queue, logger: quiet });
      void worker.start();
    },
    heard: async () => heard.splice(0),
    async close() {
      await worker?.stop();
      queue.close();
      database.close();
    },
  };
}
