/** Busbar on SQLite as its users see it: enqueue and process. */

import { openBus } from '@busbar/api';
import { openSqlite } from '@busbar/transport-sqlite';
import { type Client, makeBody, type Place } from '../client.ts';

export async function open({ folder, durability }: Place): Promise<Client> {
  const bus = openBus(await openSqlite({ file: `${folder}/bus.db`, durability }));
  return {
    async produce(count, inFlight, bodyBytes) {
      let slowestMs = 0;
      let next = 0;
      const sender = async (): Promise<void> => {
        while (next < count) {
          const began = performance.now();
          await bus.enqueue('work', makeBody(next++, bodyBytes));
          slowestMs = Math.max(slowestMs, performance.now() - began);
        }
      };
      await Promise.all(Array.from({ length: inFlight }, sender));
      return { slowestMs };
    },
    async consume(count, inFlight) {
      const { promise, resolve } = Promise.withResolvers<void>();
      let done = 0;
      const processor = await bus.process('work', { concurrency: inFlight, resultTtlMs: 0 }, async () => {
        done += 1;
        if (done === count) resolve();
      });
      await promise;
      await processor.close();
    },
    close: () => bus.close(),
  };
}
