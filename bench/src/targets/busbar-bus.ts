/** Busbar at any URL as its users see it: the Bus with its agents, codec, handlers and heartbeats. */

import { type Agent, type Bus, openBus } from '@busbar/api';
import { connectTransport } from 'busbar';
import type { Body, Client } from '../client.ts';

const QUEUE = 'work';
const TOPIC = 'news';

export async function open(url: string): Promise<Client> {
  const bus = openBus(await connectTransport(url));
  return { ...tasks(bus), ...requests(bus), ...events(bus), close: () => bus.close() };
}

function tasks(bus: Bus): Pick<Client, 'send' | 'work'> {
  return {
    async send([body]) {
      await bus.enqueue(QUEUE, body);
    },
    async work(inFlight, handle) {
      const options = { concurrency: inFlight, resultTtlMs: 0 };
      const processor = await bus.process(QUEUE, options, async ({ body }) => handle(body as Body));
      return () => processor.close();
    },
  };
}

/** Requests between two agents, and what one of them costs that has nothing to do. */
export function requests(bus: Bus): Required<Pick<Client, 'answer' | 'ask' | 'attend'>> {
  let asker: Promise<Agent> | undefined;
  const answer = async (): Promise<void> => {
    const agent = await bus.agent('@responder', { maxConcurrent: 256 });
    agent.handle('double', (message) => (message.body as number) * 2);
  };
  return {
    answer,
    attend: answer,
    async ask(value) {
      asker ??= bus.agent('@asker');
      return (await asker).request('@responder', 'double', value);
    },
  };
}

function events(bus: Bus): Pick<Client, 'publish' | 'subscribe'> {
  return {
    async publish(body) {
      await bus.publish(TOPIC, body);
    },
    async subscribe(handle) {
      await bus.subscribe(TOPIC, async ({ body }) => handle(body as Body));
    },
  };
}
