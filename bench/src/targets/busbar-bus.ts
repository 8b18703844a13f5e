/** Busbar at any URL through its bus: agents, codec, handlers and heartbeats. */

import { type Agent, type Bus, openBus, type WorkerOptions } from '@busbar/api';
import { connectTransport } from 'busbar';
import type { Body, BodyHandler, Client } from '../client.ts';

const QUEUE = 'work';
const TOPIC = 'news';

/** With `worker` options where they differ from the defaults. */
export async function open(url: string, worker: WorkerOptions = {}): Promise<Client> {
  const bus = openBus(await connectTransport(url));
  return {
    ...tasks(bus, worker),
    ...requests(bus),
    ...events(bus),
    lock: () => takeLock(bus),
    close: () => bus.close(),
  };
}

function tasks(bus: Bus, worker: WorkerOptions): Pick<Client, 'send' | 'work'> {
  return {
    async send([body]) {
      await bus.enqueue(QUEUE, body);
    },
    async work(inFlight, handle) {
      const options = { concurrency: inFlight, retry: { baseMs: 0 }, ...worker };
      const processor = await bus.process(QUEUE, async ({ body }) => handle(body as Body), options);
      return () => processor.close();
    },
  };
}

async function takeLock(bus: Bus): Promise<() => Promise<void>> {
  const lock = await bus.lock('the-lock');
  return () => lock.release();
}

/** Requests between two agents, and an idle agent. */
export function requests(
  bus: Bus,
): Required<Pick<Client, 'respond' | 'request' | 'stream' | 'idle' | 'join' | 'mail'>> {
  let requester: Promise<Agent> | undefined;
  const join = async (name: string, handle: BodyHandler): Promise<void> => {
    const agent = await bus.agent(name, { maxConcurrent: 256 });
    agent.handle('double', (message) => (message.body as number) * 2);
    agent.handle('count', async function* ({ body }) {
      for (let part = 0; part < (body as number); part += 1) yield part;
    });
    agent.handle('mail', ({ body }) => handle(body as Body));
  };
  const respond = (): Promise<void> => join('@responder', () => undefined);
  return {
    join,
    respond,
    idle: respond,
    mail: async (name, body) => void (await bus.send(name, 'mail', body, { priority: 9 })),
    async request(value) {
      requester ??= bus.agent('@requester');
      return (await requester).request('@responder', 'double', value);
    },
    async *stream(parts) {
      requester ??= bus.agent('@requester');
      yield* (await requester).requestStream('@responder', 'count', parts);
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
