/** What people have: a list in Redis, RPUSH and BLPOP. */

import { Redis } from 'ioredis';
import type { Client, TargetLocation } from '../client.ts';

const LIST = 'work';
/** BLPOP looks at this often whether it has to stop. */
const WAIT_SECONDS = 0.1;

export async function open({ url }: TargetLocation): Promise<Client> {
  const redis = new Redis(url, { enableAutoPipelining: true });
  return {
    send: async (bodies) => void (await redis.rpush(LIST, ...bodies.map((body) => JSON.stringify(body)))),
    async work(_inFlight, handle) {
      // A waiting BLPOP blocks its connection.
      const blocking = new Redis(url);
      let isStopped = false;
      const loop = async (): Promise<void> => {
        while (!isStopped) {
          const taken = await blocking.blpop(LIST, WAIT_SECONDS);
          if (taken !== null) handle(JSON.parse(taken[1]));
        }
        blocking.disconnect();
      };
      const ended = loop();
      return () => {
        isStopped = true;
        return ended;
      };
    },
    close: async () => redis.disconnect(),
  };
}
