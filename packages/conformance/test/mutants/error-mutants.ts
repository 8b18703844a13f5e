// Mutants of errors, argument limits and closing.
import { BusbarError, type ErrorCode, isBusbarError } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { type Mutant, replace } from './mutant.ts';

export const mutants: readonly Mutant[] = [
  {
    name: 'rejects with INTERNAL for an unknown queue',
    killedBy: 'E1',
    mutate: (transport) => onSendError(transport, 'NOT_FOUND', (error) => new BusbarError('INTERNAL', error.message)),
  },
  {
    name: 'accepts any queue name',
    killedBy: 'E2',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          send: (queue, ...rest) =>
            transport.queues.send(typeof queue === 'string' ? queue.replace(/[^\w.-]/g, '_') || '_' : queue, ...rest),
        },
      }),
  },
  {
    name: 'shows the body in an error',
    killedBy: 'N4',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          async send(queue, messages, options) {
            try {
              return await transport.queues.send(queue, messages, options);
            } catch (error) {
              const body = Buffer.from(messages[0]?.body ?? []).toString();
              throw isBusbarError(error)
                ? new BusbarError(error.code, `${error.message}: ${body.slice(0, 200)}`)
                : error;
            }
          },
        },
      }),
  },
  {
    name: 'truncates bodies that are too large instead of refusing them',
    killedBy: 'V5',
    mutate(transport) {
      const { maxBodyBytes } = transport.capabilities;
      return replace(transport, {
        queues: {
          send: (queue, messages, options) =>
            transport.queues.send(
              queue,
              messages.map((message) => ({ ...message, body: message.body.subarray(0, maxBodyBytes) })),
              options,
            ),
        },
      });
    },
  },
  {
    name: 'fails on a second close',
    killedBy: 'F1',
    mutate(transport) {
      let closed = false;
      return replace(transport, {
        async close(options) {
          if (closed) throw new BusbarError('CLOSED', 'closed already');
          closed = true;
          await transport.close(options);
        },
      });
    },
  },
  {
    name: 'leaks a timer',
    killedBy: 'F13',
    mutate(transport) {
      setTimeout(() => undefined, 60_000);
      return transport;
    },
  },
  {
    name: 'imports existing records again',
    killedBy: 'J2',
    mutate: (transport) =>
      replace(transport, {
        admin: {
          async importState(records, options) {
            const renamed = [];
            for await (const record of records) {
              const isMessage = record.kind === 'message';
              renamed.push(
                isMessage
                  ? {
                      ...record,
                      message: { ...record.message, message: { ...record.message.message, id: crypto.randomUUID() } },
                    }
                  : record,
              );
            }
            return transport.admin.importState(renamed, options);
          },
        },
      }),
  },
];

function onSendError(transport: Transport, code: ErrorCode, change: (error: BusbarError) => BusbarError): Transport {
  return replace(transport, {
    queues: {
      async send(...args) {
        try {
          return await transport.queues.send(...args);
        } catch (error) {
          throw isBusbarError(error) && error.code === code ? change(error) : error;
        }
      },
    },
  });
}
