// Mutants of topics and bindings.
import type { Transport } from '@busbar/api/transport';
import { type Mutant, replace } from './mutant.ts';

/** Shared by all clients. */
let published = 0;

export const mutants: readonly Mutant[] = [
  {
    name: 'drops one event in a hundred',
    killedBy: 'K1',
    mutate: (transport) =>
      replace(transport, {
        topics: {
          async publish(topic, messages, options) {
            published += 1;
            if (published % 100 !== 0) return transport.topics.publish(topic, messages, options);
            return messages.map(({ id = 'dropped' }) => ({ id, status: 'stored' as const, position: 'dropped' }));
          },
        },
      }),
  },
  {
    name: 'subscribes a moment after it resolves',
    killedBy: 'S14',
    mutate: (transport) =>
      replace(transport, {
        topics: {
          async subscribe(pattern, options, onEvents) {
            let open = false;
            setTimeout(() => (open = true), 5);
            return transport.topics.subscribe(pattern, options, (events) => (open ? onEvents(events) : undefined));
          },
        },
      }),
  },
  {
    name: 'delivers each batch twice',
    killedBy: 'S1',
    mutate: (transport) =>
      onEvents(transport, async (events, hand) => {
        await hand(events);
        await hand(events);
      }),
  },
  {
    name: 'delivers after the close of a subscription',
    killedBy: 'S2',
    mutate: (transport) =>
      replace(transport, {
        topics: {
          async subscribe(pattern, options, handler) {
            const subscription = await transport.topics.subscribe(pattern, options, handler);
            return new Proxy(subscription, {
              get: (target, key) => {
                if (key === 'close') return async () => undefined;
                const value: unknown = Reflect.get(target, key, target);
                return typeof value === 'function' ? value.bind(target) : value;
              },
            });
          },
        },
      }),
  },
  {
    name: 'matches several tokens with `*`',
    killedBy: 'S5',
    mutate: (transport) =>
      replace(transport, {
        topics: {
          subscribe: (pattern, options, handler) =>
            transport.topics.subscribe(pattern.replace(/\*$/, '>'), options, handler),
        },
      }),
  },
  {
    name: 'skips the first event of the history',
    killedBy: 'Y1',
    mutate: (transport) =>
      replace(transport, {
        topics: {
          subscribe(pattern, options, handler) {
            let skipped = options.from !== 'start';
            return transport.topics.subscribe(pattern, options, (events) => {
              const rest = skipped ? events : events.slice(1);
              skipped = true;
              return rest.length === 0 ? undefined : handler(rest);
            });
          },
        },
      }),
  },
  {
    name: 'loses the first live event after history',
    killedBy: 'Y2',
    mutate: (transport) =>
      replace(transport, {
        topics: {
          subscribe(pattern, options, handler) {
            let batches = 0;
            return transport.topics.subscribe(pattern, options, (events) => {
              batches += 1;
              return batches === 2 ? undefined : handler(events);
            });
          },
        },
      }),
  },
  {
    name: 'resumes from the start instead of a position',
    killedBy: 'Y1',
    mutate: (transport) =>
      replace(transport, {
        topics: {
          subscribe: (pattern, options, handler) =>
            transport.topics.subscribe(
              pattern,
              typeof options.from === 'object' ? { ...options, from: 'start' } : options,
              handler,
            ),
        },
      }),
  },
  {
    name: 'shares events among bound queues',
    killedBy: 'G1',
    mutate(transport) {
      const bound = new Map<string, string>();
      return replace(transport, {
        topics: {
          async bind(queue, pattern, options) {
            const first = bound.get(pattern);
            bound.set(pattern, queue);
            if (first === undefined) await transport.topics.bind(queue, pattern, options);
            else await transport.queues.configure(queue);
          },
        },
      });
    },
  },
  {
    name: 'adds history that an overlapping binding has added',
    killedBy: 'Y9',
    mutate: (transport) =>
      replace(transport, {
        topics: {
          async bind(queue, pattern, options) {
            const others = await transport.admin.bindings();
            for (const other of others) await transport.topics.unbind(other.queue, other.pattern);
            await transport.topics.bind(queue, pattern, options);
            for (const other of others) await transport.topics.bind(other.queue, other.pattern);
          },
        },
      }),
  },
  {
    name: 'adds no history beside another binding',
    killedBy: 'Y9',
    mutate: (transport) =>
      replace(transport, {
        topics: {
          async bind(queue, pattern, options) {
            const isFirst = (await transport.admin.bindings()).length === 0;
            await transport.topics.bind(queue, pattern, isFirst ? options : {});
          },
        },
      }),
  },
  {
    name: 'shares event objects among subscribers',
    killedBy: 'S16',
    mutate(transport) {
      const bodies = new Map<string, Uint8Array>();
      return onEvents(transport, (events, hand) =>
        hand(
          events.map((event) => {
            const body = bodies.get(event.id) ?? event.body;
            bodies.set(event.id, body);
            return { ...event, body };
          }),
        ),
      );
    },
  },
];

type Hand = Parameters<Transport['topics']['subscribe']>[2];

/** Changes the delivery of events. */
function onEvents(
  transport: Transport,
  pass: (events: Parameters<Hand>[0], hand: Hand) => void | Promise<void>,
): Transport {
  return replace(transport, {
    topics: {
      subscribe: (pattern, options, handler) =>
        transport.topics.subscribe(pattern, options, (events) => pass(events, handler)),
    },
  });
}
