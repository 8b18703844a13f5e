/** Busbar's transport on SQLite, without the bus above it. */

import { openBus } from '@busbar/api';
import type { MessageInput } from '@busbar/api/transport';
import { openSqlite } from '@busbar/transport-sqlite';
import { type Client, type Heard, makeBody, type Place, sharedNow } from '../client.ts';
import { askMany } from './asking.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Opens it; calls have one message each, or as many as are to be in flight. */
export async function open({ folder, durability }: Place, sending: 'one' | 'many'): Promise<Client> {
  const transport = await openSqlite({ file: `${folder}/bus.db`, durability });
  const bus = openBus(transport);
  const heard: Heard[] = [];
  const listening = new AbortController();
  return {
    async produce(count, inFlight, bodyBytes) {
      const size = sending === 'many' ? inFlight : 1;
      let slowestMs = 0;
      let next = 0;
      const sender = async (): Promise<void> => {
        while (next < count) {
          const messages = makeMessages(next, Math.min(size, count - next), bodyBytes);
          next += messages.length;
          const began = performance.now();
          const results = await transport.queues.send('work', messages);
          if (results.some(({ status }) => status !== 'stored')) throw new Error('a message was not stored');
          slowestMs = Math.max(slowestMs, performance.now() - began);
        }
      };
      await Promise.all(Array.from({ length: sending === 'many' ? 1 : inFlight }, sender));
      return { slowestMs };
    },
    async consume(count, inFlight) {
      let done = 0;
      while (done < count) {
        const deliveries = await transport.queues.receive('work', { max: inFlight, waitMs: 10_000 });
        for (const { body } of deliveries) JSON.parse(decoder.decode(body));
        const results = await transport.queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
        done += results.filter(({ status }) => status === 'done').length;
      }
    },
    async ping() {
      const calledAt = sharedNow();
      await transport.queues.send('ping', [{ body: encoder.encode(String(calledAt)) }]);
      return { calledAt, storedAt: sharedNow() };
    },
    async listen() {
      const loop = async (): Promise<void> => {
        while (!listening.signal.aborted) {
          const options = { max: 1, waitMs: Number.POSITIVE_INFINITY, signal: listening.signal };
          const [delivery] = await transport.queues.receive('ping', options);
          if (delivery === undefined) continue;
          heard.push({ calledAt: Number(decoder.decode(delivery.body)), heardAt: sharedNow() });
          await transport.queues.settle([{ receipt: delivery.receipt, action: 'ack' }]);
        }
      };
      loop().catch(() => undefined);
    },
    heard: async () => heard.splice(0),
    async answer() {
      const agent = await bus.agent('@responder', { maxConcurrent: 256 });
      agent.handle('double', (message) => (message.body as number) * 2);
    },
    async ask(count, inFlight) {
      const agent = await bus.agent('@asker');
      return askMany(count, inFlight, (index) => agent.request('@responder', 'double', index));
    },
    async close() {
      listening.abort();
      await bus.close();
    },
  };
}

function makeMessages(from: number, count: number, bodyBytes: number): MessageInput[] {
  return Array.from({ length: count }, (_, index) => ({
    body: encoder.encode(JSON.stringify(makeBody(from + index, bodyBytes))),
    contentType: 'application/json',
  }));
}
