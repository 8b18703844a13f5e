/** Bare ioredis: a queue in three short scripts, with ids, leases and order only. It shows the cost of Busbar's promises. */

import { Redis, type Result } from 'ioredis';
import type { Client, TargetLocation } from '../client.ts';
import { pull } from './pull-loop.ts';

const SEND = `
for at = 1, #ARGV, 2 do
  if redis.call('SET', KEYS[1] .. ':id:' .. ARGV[at], 1, 'NX', 'PX', 120000) then
    redis.call('HSET', KEYS[1] .. ':body', ARGV[at], ARGV[at + 1])
    redis.call('ZADD', KEYS[1] .. ':ready', redis.call('INCR', KEYS[1] .. ':seq'), ARGV[at])
  end
end
redis.call('PUBLISH', KEYS[1], '')`;

const TAKE = `
local ready, taken = redis.call('ZPOPMIN', KEYS[1] .. ':ready', ARGV[1]), {}
local now = redis.call('TIME')
for at = 1, #ready, 2 do
  redis.call('ZADD', KEYS[1] .. ':leased', now[1] + 30, ready[at])
  taken[#taken + 1] = ready[at]
  taken[#taken + 1] = redis.call('HGET', KEYS[1] .. ':body', ready[at])
end
return taken`;

const DONE = `
for _, id in ipairs(ARGV) do
  if redis.call('ZREM', KEYS[1] .. ':leased', id) == 1 then redis.call('HDEL', KEYS[1] .. ':body', id) end
end`;

const QUEUE = 'work';
const NEWS = 'news';

declare module 'ioredis' {
  interface RedisCommander<Context> {
    sendTasks(queue: string, ...idsAndBodies: readonly string[]): Result<null, Context>;
    takeTasks(queue: string, most: number): Result<readonly string[], Context>;
    taskDone(queue: string, ...ids: readonly string[]): Result<null, Context>;
  }
}

export async function open({ url }: TargetLocation): Promise<Client> {
  const redis = new Redis(url, { enableAutoPipelining: true });
  const listener = new Redis(url);
  redis.defineCommand('sendTasks', { numberOfKeys: 1, lua: SEND });
  redis.defineCommand('takeTasks', { numberOfKeys: 1, lua: TAKE });
  redis.defineCommand('taskDone', { numberOfKeys: 1, lua: DONE });
  return {
    async send(bodies) {
      await redis.sendTasks(QUEUE, ...bodies.flatMap((body) => [crypto.randomUUID(), JSON.stringify(body)]));
    },
    async work(inFlight, handle) {
      let wakeup = Promise.withResolvers<void>();
      listener.on('message', () => wakeup.resolve());
      await listener.subscribe(QUEUE);
      const stop = pull(inFlight, {
        async receive() {
          wakeup = Promise.withResolvers();
          const taken = await redis.takeTasks(QUEUE, inFlight);
          for (let at = 1; at < taken.length; at += 2) handle(JSON.parse(taken[at] ?? ''));
          if (taken.length === 0) await wakeup.promise;
          return taken.filter((_, at) => at % 2 === 0);
        },
        settle: async (ids) => void (ids.length > 0 && (await redis.taskDone(QUEUE, ...ids))),
      });
      return () => {
        const stopped = stop();
        wakeup.resolve();
        return stopped;
      };
    },
    publish: async (body) => void (await redis.publish(NEWS, JSON.stringify(body))),
    async subscribe(handle) {
      listener.on('message', (_channel, text) => handle(JSON.parse(text)));
      await listener.subscribe(NEWS);
    },
    async close() {
      redis.disconnect();
      listener.disconnect();
    },
  };
}
