/** plainjob, a job queue on better-sqlite3 for Node: https://github.com/justplainstuff/plainjob */

import Database from 'better-sqlite3';
import { better, defineQueue, defineWorker } from 'plainjob';
import type { Client, TargetLocation } from '../client.ts';

const quiet = { error() {}, warn() {}, info() {}, debug() {} };

export async function open({ folder, durability }: TargetLocation): Promise<Client> {
  const database = new Database(`${folder}/plainjob.db`, { timeout: 30_000 });
  const queue = defineQueue({ connection: better(database), logger: quiet });
  database.pragma(`synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`);
  return {
    async send(bodies) {
      if (bodies.length === 1) queue.add('work', bodies[0]);
      else queue.addMany('work', [...bodies]);
    },
    async work(_inFlight, handle) {
      const worker = defineWorker('work', (job) => handle(JSON.parse(job.data)), { queue, logger: quiet });
      void worker.start();
      return () => worker.stop();
    },
    async close() {
      queue.close();
      database.close();
    },
  };
}
