// Mutants of leases, settlements, dead letters and limits.
import type { Settlement, SettleResult, Transport } from '@busbar/api/transport';
import { type Mutant, replace } from './mutant.ts';

/** Receipts of all clients of one mutant. */
const held: string[] = [];

export const mutants: readonly Mutant[] = [
  {
    name: 'reports an ack without doing it',
    killedBy: 'A2',
    mutate: (transport) =>
      onSettle(transport, ({ receipt, action }) => (action === 'ack' ? { receipt, status: 'done' } : undefined)),
  },
  {
    name: 'accepts a stale receipt',
    killedBy: 'A6',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          settle: async (...args) =>
            (await transport.queues.settle(...args)).map((result) => ({ ...result, status: 'done' as const })),
        },
      }),
  },
  {
    name: 'does not count attempts',
    killedBy: 'A9',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          receive: async (...args) =>
            (await transport.queues.receive(...args)).map((delivery) => ({ ...delivery, attempt: 1 })),
        },
      }),
  },
  {
    name: 'counts a release as an attempt',
    killedBy: 'F9',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          settle: (settlements, options) =>
            transport.queues.settle(
              settlements.map((settlement) =>
                settlement.action === 'release' ? { receipt: settlement.receipt, action: 'retry' } : settlement,
              ),
              options,
            ),
        },
        close: async (options) => transport.close({ ...options, leases: 'keep' }),
      }),
  },
  {
    name: 'forgets the delay of a release',
    killedBy: 'A37',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          settle: (settlements, options) =>
            transport.queues.settle(
              settlements.map((settlement) =>
                settlement.action === 'release' ? { receipt: settlement.receipt, action: 'release' } : settlement,
              ),
              options,
            ),
        },
      }),
  },
  {
    name: 'keeps leases on close',
    killedBy: 'F9',
    mutate: (transport) => replace(transport, { close: (options) => transport.close({ ...options, leases: 'keep' }) }),
  },
  {
    name: 'does not extend leases',
    killedBy: 'A8',
    mutate: (transport) =>
      onSettle(transport, ({ receipt, action }) =>
        action === 'extend' ? { receipt, status: 'done', leaseLeftMs: 100 } : undefined,
      ),
  },
  {
    name: 'changes held leases with the setting',
    killedBy: 'A24',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          async receive(...args) {
            const deliveries = await transport.queues.receive(...args);
            held.push(...deliveries.map(({ receipt }) => receipt));
            return deliveries;
          },
          async configure(...args) {
            await transport.queues.configure(...args);
            await transport.queues.settle(held.map((receipt) => ({ receipt, action: 'release' })));
          },
        },
      }),
  },
  {
    name: 'ignores the delay of a retry',
    killedBy: 'A14',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          settle: (settlements, options) =>
            transport.queues.settle(
              settlements.map((settlement) =>
                settlement.action === 'retry' ? { receipt: settlement.receipt, action: 'retry' } : settlement,
              ),
              options,
            ),
        },
      }),
  },
  {
    name: 'drops rejected messages instead of keeping them as dead letters',
    killedBy: 'D2',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          settle: (settlements, options) =>
            transport.queues.settle(
              settlements.map((settlement) =>
                settlement.action === 'reject' ? { receipt: settlement.receipt, action: 'ack' } : settlement,
              ),
              options,
            ),
        },
      }),
  },
  {
    name: 'drops the reason of a dead letter',
    killedBy: 'D3',
    mutate: (transport) =>
      replace(transport, {
        admin: {
          async browse(queue, options) {
            const page = await transport.admin.browse(queue, options);
            return { ...page, messages: page.messages.map((message) => ({ ...message, history: [] })) };
          },
        },
      }),
  },
  {
    name: 'forgets the entry of an ack',
    killedBy: 'A29',
    mutate: (transport) =>
      onEntry(transport, async (settlement) => (settlement.action === 'ack' ? undefined : settlement.entry)),
  },
  {
    name: 'puts the entry before the settlement',
    killedBy: 'A30',
    mutate: (transport) =>
      onEntry(transport, async ({ entry }) => {
        if (entry !== undefined) await transport.kv.put(entry.key, entry.value, { ttlMs: entry.ttlMs });
        return entry;
      }),
  },
  {
    name: 'puts the entry of each retry',
    killedBy: 'A31',
    mutate: (transport) =>
      onEntry(transport, async ({ action, entry }) => {
        if (entry !== undefined && action === 'retry') await transport.kv.put(entry.key, entry.value);
        return entry;
      }),
  },
  {
    name: 'settles although an entry is too large',
    killedBy: 'A32',
    mutate: (transport) =>
      onEntry(transport, async ({ entry }) => (entry && entry.value.byteLength > 65_536 ? undefined : entry)),
  },
  {
    name: 'delivers more than requested',
    killedBy: 'B1',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          receive: (queue, options) =>
            transport.queues.receive(
              queue,
              options?.max === undefined ? options : { ...options, max: options.max + 1 },
            ),
        },
      }),
  },
  {
    name: 'ignores the limit of a queue',
    killedBy: 'B4',
    mutate: (transport) =>
      replace(transport, {
        queues: {
          configure: (queue, settings, options) =>
            transport.queues.configure(queue, { ...settings, maxLength: 1_000_000 }, options),
        },
      }),
  },
];

/** Settles with the entries that `change` returns. */
function onEntry(transport: Transport, change: (settlement: Settlement) => Promise<Settlement['entry']>): Transport {
  return replace(transport, {
    queues: {
      async settle(settlements, options) {
        const changed: Settlement[] = [];
        for (const each of settlements) changed.push({ ...each, entry: await change(each) } as Settlement);
        return transport.queues.settle(changed, options);
      },
    },
  });
}

/** Replies to some settlements itself. */
function onSettle(transport: Transport, answer: (settlement: Settlement) => SettleResult | undefined): Transport {
  return replace(transport, {
    queues: {
      async settle(settlements, options) {
        const answers = settlements.map(answer);
        const left = settlements.filter((_, index) => answers[index] === undefined);
        const results = left.length === 0 ? [] : await transport.queues.settle(left, options);
        return answers.map((own) => own ?? results.shift()!);
      },
    },
  });
}
