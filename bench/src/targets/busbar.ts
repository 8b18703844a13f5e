/** Busbar's transport at any URL, without the bus above it. */

import { openBus } from '@busbar/api';
import type { Calls, Message, MessageInput, PublishOptions, Transport } from '@busbar/api/transport';
import { connectTransport } from 'busbar';
import type { Body, BodyHandler, Client } from '../client.ts';
import { requests } from './busbar-bus.ts';
import { pull } from './pull-loop.ts';

const QUEUE = 'work';
const TOPIC = 'news';
const ADDRESS = 'double';
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export async function open(url: string, publishing: PublishOptions = {}): Promise<Client> {
  const transport = await connectTransport(url);
  let opened: ReturnType<typeof requests> | undefined;
  const agents = (): ReturnType<typeof requests> => {
    opened ??= requests(openBus(transport));
    return opened;
  };
  // Without a fast path for requests the bus emulates it.
  const requesting = transport.calls
    ? {
        ...calls(transport.calls),
        join: (...of: Parameters<NonNullable<Client['join']>>) => agents().join(...of),
        mail: (...of: Parameters<NonNullable<Client['mail']>>) => agents().mail(...of),
      }
    : agents();
  return { ...queue(transport), ...requesting, ...topic(transport, publishing), close: () => transport.close() };
}

function queue({ queues }: Transport): Pick<Client, 'send' | 'work' | 'hold'> {
  return {
    async hold() {
      await queues.configure(QUEUE, { leaseMs: 3_600_000 });
      await queues.send(QUEUE, [toMessage('held')]);
      await queues.receive(QUEUE);
    },
    async send(bodies) {
      const results = await queues.send(QUEUE, bodies.map(toMessage));
      if (results.some(({ status }) => status !== 'stored')) throw new Error('a message was not stored');
    },
    async work(inFlight, handle) {
      return pull(inFlight, {
        async receive(signal) {
          const deliveries = await queues.receive(QUEUE, { max: inFlight, waitMs: Number.POSITIVE_INFINITY, signal });
          return deliveries.map((delivery) => ({
            receipt: delivery.receipt,
            action: succeeds(handle, delivery) ? ('ack' as const) : ('retry' as const),
          }));
        },
        async settle(settlements) {
          const results = await queues.settle(settlements);
          if (results.some(({ status }) => status !== 'done')) throw new Error('a message was not settled');
        },
      });
    },
  };
}

function calls({ serve, call }: Calls): Pick<Client, 'respond' | 'request'> {
  return {
    async respond() {
      await serve(ADDRESS, { max: 256 }, async function* (message) {
        yield toMessage((read(message) as number) * 2);
      });
    },
    async request(value) {
      let response: unknown;
      for await (const reply of call(ADDRESS, toMessage(value))) response = read(reply);
      return response;
    },
  };
}

function topic({ topics }: Transport, options: PublishOptions): Pick<Client, 'publish' | 'subscribe' | 'replay'> {
  return {
    async replay(handle) {
      await topics.subscribe(TOPIC, { from: 'start' }, (events) => {
        for (const event of events) handle(read(event) as Body);
      });
    },
    async publish(body) {
      const [result] = await topics.publish(TOPIC, [toMessage(body)], options);
      if (result?.status !== 'stored') throw new Error('an event was not stored');
    },
    async subscribe(handle) {
      await topics.subscribe(TOPIC, {}, (events) => {
        for (const event of events) handle(read(event) as Body);
      });
    },
  };
}

function succeeds(handle: BodyHandler, message: Message): boolean {
  try {
    handle(read(message) as Body);
    return true;
  } catch {
    return false;
  }
}

function toMessage(value: unknown): MessageInput {
  return { body: encoder.encode(JSON.stringify(value)), contentType: 'application/json' };
}

function read({ body }: Message): unknown {
  return JSON.parse(decoder.decode(body));
}
