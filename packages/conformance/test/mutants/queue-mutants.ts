// Mutants of sending and receiving.
import type { Delivery, Transport } from '@busbar/api/transport';
import { type Mutant, replace, resending, without } from './mutant.ts';

/** Shared by all clients. */
let sent = 0;

export const mutants: readonly Mutant[] = [
  {
    name: 'drops one message in a hundred',
    killedBy: 'K2',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          async send(queue, messages, options) {
            const kept = messages.filter(() => ++sent % 100 !== 0);
            const results = kept.length === 0 ? [] : await transport.queues.send(queue, kept, options);
            const rest = [...results];
            return messages.map((message) =>
              kept.includes(message) ? rest.shift()! : { id: message.id ?? 'dropped', status: 'stored' as const },
            );
          },
        },
      }),
  },
  {
    name: 'stores every message twice',
    killedBy: 'P2',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          async send(queue, messages, options) {
            const results = await transport.queues.send(queue, messages, options);
            await transport.queues.send(
              queue,
              messages.map((message) => without(message, 'id')),
              options,
            );
            return results;
          },
        },
      }),
  },
  {
    name: 'reverses batches',
    killedBy: 'O1',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          async send(queue, messages, options) {
            const results = await transport.queues.send(queue, [...messages].reverse(), options);
            return results.reverse();
          },
        },
      }),
  },
  {
    name: 'reorders sends that are not awaited',
    killedBy: 'O4',
    mutate(transport) {
      let calls = 0;
      return replace(transport, {
        queues: {
          async send(queue, messages, options) {
            calls += 1;
            if (calls % 2 === 0) await new Promise(setImmediate);
            return transport.queues.send(queue, messages, options);
          },
        },
      });
    },
  },
  {
    name: 'ignores ordering keys',
    killedBy: 'O2',
    mutate: (transport) => resending(transport, (message) => without(message, 'orderingKey')),
  },
  {
    name: 'ignores priorities',
    killedBy: 'Q1',
    mutate: (transport) => resending(transport, (message) => without(message, 'priority')),
  },
  {
    name: 'delivers the lowest priority first',
    killedBy: 'Q5',
    mutate: (transport) =>
      resending(transport, (message) =>
        message.priority === undefined ? message : { ...message, priority: 9 - message.priority },
      ),
  },
  {
    name: 'does not wake a receive for another priority',
    killedBy: 'Q7',
    mutate: (transport) =>
      resending(transport, (message) => (message.priority === 9 ? { ...message, delayMs: 20_000 } : message)),
  },
  {
    name: 'folds the case of names',
    killedBy: 'P10',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          send: (queue, ...rest) => transport.queues.send(queue.toLowerCase(), ...rest),
          receive: (queue, ...rest) => transport.queues.receive(queue.toLowerCase(), ...rest),
        },
      }),
  },
  {
    name: 'forgets known ids',
    killedBy: 'U1',
    mutate: forgetful,
  },
  {
    name: 'forgets ids of concurrent sends',
    killedBy: 'U3',
    mutate(transport) {
      const settled = forgetful(transport);
      let under = 0;
      return replace(transport, {
        queues: {
          ...settled.queues,
          async send(...args) {
            under += 1;
            try {
              return await (under > 1 ? settled : transport).queues.send(...args);
            } finally {
              under -= 1;
            }
          },
        },
      });
    },
  },
  {
    name: 'ignores times to live',
    killedBy: 'T1',
    mutate: (transport) => resending(transport, (message) => without(message, 'ttlMs')),
  },
  {
    name: 'delivers delayed messages early',
    killedBy: 'L1',
    mutate: (transport) =>
      resending(transport, (message) =>
        message.delayMs === undefined ? message : { ...message, delayMs: message.delayMs / 2 },
      ),
  },
  {
    name: 'delivers delayed messages in groups, in the order of their sends',
    killedBy: 'L9',
    mutate: (transport) =>
      resending(transport, (message) =>
        message.delayMs === undefined ? message : { ...message, delayMs: Math.ceil(message.delayMs / 250) * 250 },
      ),
  },
  {
    name: 'keeps a reference to the body',
    killedBy: 'V9',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          async send(queue, messages, options) {
            await Promise.resolve();
            return transport.queues.send(queue, messages, options);
          },
        },
      }),
  },
  {
    name: 'loses the last byte of large bodies',
    killedBy: 'V5',
    mutate: (transport) =>
      resending(transport, (message) =>
        message.body.length < 400_000 ? message : { ...message, body: message.body.subarray(0, -1) },
      ),
  },
  {
    name: 'shows an internal header',
    killedBy: 'H6',
    mutate: (transport) =>
      onDelivery(transport, (delivery) => ({ ...delivery, headers: { ...delivery.headers, 'x-stored-at': '1' } })),
  },
  {
    name: 'loses headers',
    killedBy: 'H1',
    mutate: (transport) => resending(transport, (message) => without(message, 'headers')),
  },
];

/** Stores a duplicate as a new message and restores its id on delivery. */
function forgetful(transport: Transport): Transport {
  const ids = new Map<string, string>();
  return onDelivery(
    replace(transport, {
      queues: {
        async send(queue, messages, options) {
          const results = await transport.queues.send(queue, messages, options);
          for (const [index, result] of results.entries()) {
            if (result.status !== 'duplicate') continue;
            const [again] = await transport.queues.send(queue, [without(messages[index]!, 'id')], options);
            ids.set(again!.id, result.id);
            results[index] = { id: result.id, status: 'stored' };
          }
          return results;
        },
      },
    }),
    (delivery) => ({ ...delivery, id: ids.get(delivery.id) ?? delivery.id }),
  );
}

function onDelivery(transport: Transport, change: (delivery: Delivery) => Delivery): Transport {
  return replace(transport, {
    queues: {
      async receive(queue, options) {
        return (await transport.queues.receive(queue, options)).map(change);
      },
    },
  });
}
