/** The queues of a transport: arguments checked, leases counted, what came too late given back. */

import { MAX_BATCH } from '../contract/defaults.ts';
import type { ReceiveRequest } from '../contract/driver.ts';
import { invalid } from '../contract/errors.ts';
import type { Delivery } from '../contract/message.ts';
import { checkQueueName } from '../contract/names.ts';
import type { QueueSettings, Queues, ReceiveOptions, SendOptions, Settlement } from '../contract/transport.ts';
import {
  checkArray,
  checkBoolean,
  checkDuration,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkText,
  describe,
  MAX_DURATION_MS,
} from '../contract/validation.ts';
import { locateResults } from './error-context.ts';
import { type Claiming, PendingReceives } from './pending-receives.ts';
import { stampAll } from './prepare-message.ts';
import type { Shared } from './transport-internals.ts';
import { claimingDriver, waitingDriver } from './validate-capabilities.ts';

const CALL_KEYS = ['timeoutMs', 'signal'];
const ACTIONS = ['ack', 'retry', 'reject', 'release', 'extend'];
const MAX_REASON = 4096;
/** How much longer than it waits a receive may take, for a server that is away or a store that is locked. */
const ANSWER_MS = 30_000;
const MAX_COUNT = 2_147_483_647;

/** The queues of the transport. */
export function openQueues(shared: Shared): Queues {
  const { backend, underWay, leases } = shared;
  const receive = openReceive(shared);
  return {
    async send(queue, messages, options) {
      shared.assertOpen('queues.send');
      checkQueueName(queue);
      checkSendOptions(options);
      const stamped = stampAll(messages, undefined, backend.capabilities);
      const plan = { operation: 'queues.send', whenAbandoned: 'unknown' } as const;
      const results = await underWay.run(plan, options, (context) =>
        backend.queues.send(queue, stamped, options?.create ?? true, context),
      );
      return locateResults(results, 'queues.send', backend.name);
    },
    async receive(queue, options) {
      shared.assertOpen('queues.receive');
      checkQueueName(queue);
      const deliveries = await receive(queue, checkReceiveOptions(options), options?.signal);
      leases.add(deliveries);
      return deliveries;
    },
    async settle(settlements, options) {
      shared.assertOpen('queues.settle', true);
      checkOptions(options, CALL_KEYS, 'settle options');
      checkSettlements(settlements);
      const own = settlements.map((settlement) => ({ ...settlement }));
      const plan = { operation: 'queues.settle', whenAbandoned: 'unknown' } as const;
      const results = await underWay.run(plan, options, (context) => backend.queues.settle(own, context));
      leases.settled(own, results);
      return results;
    },
    async configure(queue, settings, options) {
      shared.assertOpen('queues.configure');
      checkQueueName(queue);
      checkSettings(settings);
      checkOptions(options, CALL_KEYS, 'configure options');
      const plan = { operation: 'queues.configure', whenAbandoned: 'unknown' } as const;
      return underWay.run(plan, options, (context) => backend.queues.configure(queue, { ...settings }, context));
    },
  };
}

type Receive = (queue: string, wanted: ReceiveRequest, signal: AbortSignal | undefined) => Promise<Delivery[]>;

/** Waits where the driver does it; otherwise {@link PendingReceives} do. What an abandoned receive has claimed is released. */
function openReceive(shared: Shared): Receive {
  const { underWay, backend } = shared;
  const { queues } = backend;
  const release = (deliveries: readonly Delivery[]): void => {
    const back = deliveries.map(({ receipt }) => ({ receipt, action: 'release' as const }));
    const plan = { operation: 'queues.settle', whenAbandoned: 'unknown' } as const;
    underWay.run(plan, undefined, (context) => queues.settle(back, context)).catch(() => undefined);
  };
  const plan = {
    operation: 'queues.receive',
    whenAbandoned: 'failed',
    isWait: true,
    onLate: (late: Delivery[]) => release(late),
  } as const;
  const claiming = openClaiming(shared, release);
  if (claiming === undefined) {
    return (queue, wanted, signal) =>
      underWay.run({ ...plan, timeoutMs: Number.POSITIVE_INFINITY }, { signal }, (context) =>
        waitingDriver(backend).receive(queue, wanted, context),
      );
  }
  const pending = new PendingReceives(claiming, shared.deadlines);
  return (queue, wanted, signal) => {
    const receive = pending.prepare(queue, wanted);
    const timeoutMs = wanted.waitMs + ANSWER_MS;
    return underWay.run({ ...plan, timeoutMs, onAbandoned: () => pending.end(receive) }, { signal }, () =>
      pending.start(receive),
    );
  };
}

function openClaiming({ underWay, backend }: Shared, release: Claiming['release']): Claiming | undefined {
  const { queues } = backend;
  const { waiting } = queues;
  if (waiting === undefined) return undefined;
  return {
    waiting,
    release,
    async claim(queue, request, context) {
      const done = underWay.hold();
      try {
        return await claimingDriver(backend).claim(queue, request, context);
      } finally {
        done();
      }
    },
  };
}

function checkSendOptions(options: SendOptions | undefined): void {
  checkOptions(options, ['create', ...CALL_KEYS], 'send options');
  checkBoolean(options?.create, 'create');
}

function checkReceiveOptions(options: ReceiveOptions | undefined): ReceiveRequest {
  checkOptions(options, ['max', 'waitMs', 'consumer', 'signal'], 'receive options');
  checkInteger(options?.max, 'max', { min: 1, max: 1000 });
  checkDuration(options?.waitMs, 'waitMs', { min: 0, max: MAX_DURATION_MS, infinity: true });
  checkText(options?.consumer, 'consumer', 255);
  return { max: options?.max ?? 1, waitMs: options?.waitMs ?? 0, consumer: options?.consumer };
}

/** Throws unless `settings` are legal settings of a queue. */
export function checkSettings(settings: QueueSettings | undefined): void {
  const keys = ['leaseMs', 'maxLength', 'maxAttempts', 'dedupeMs', 'expireIdleMs', 'frozen', 'deadTtlMs'];
  checkOptions(settings, keys, 'queue settings');
  checkDuration(settings?.leaseMs, 'leaseMs', { min: 50, max: 43_200_000 });
  checkInteger(settings?.maxLength, 'maxLength', { min: 1, max: MAX_COUNT });
  checkInteger(settings?.maxAttempts, 'maxAttempts', { min: 1, max: 1000 });
  checkDuration(settings?.dedupeMs, 'dedupeMs', { min: 120_000, max: 604_800_000 });
  checkDuration(settings?.expireIdleMs, 'expireIdleMs', { min: 1000, max: MAX_DURATION_MS, infinity: true });
  checkDuration(settings?.deadTtlMs, 'deadTtlMs', { min: 1000, max: MAX_DURATION_MS, infinity: true });
  checkBoolean(settings?.frozen, 'frozen');
}

function checkSettlements(settlements: readonly Settlement[]): void {
  checkArray(settlements, 'settlements', MAX_BATCH);
  for (const settlement of settlements) checkSettlement(settlement);
}

function checkSettlement(settlement: Settlement): void {
  checkOptions(settlement, ['receipt', 'action', 'delayMs', 'reason'], 'settlement');
  if (settlement?.action === undefined)
    throw invalid('a settlement needs an action', `Use one of ${ACTIONS.join(', ')}.`);
  checkOneOf(settlement.action, 'action', ACTIONS);
  checkReceipt(settlement.receipt);
  if ('delayMs' in settlement) checkDuration(settlement.delayMs, 'delayMs', { min: 0, max: MAX_DURATION_MS });
  if ('reason' in settlement && settlement.reason !== undefined) checkReason(settlement.reason);
}

function checkReceipt(receipt: unknown): void {
  if (typeof receipt === 'string' && receipt.length >= 1 && receipt.length <= 512) return;
  throw invalid(`illegal receipt: ${describe(receipt)}`, 'Use the receipt of a delivery as it was.');
}

function checkReason(reason: unknown): void {
  if (typeof reason === 'string' && reason.isWellFormed() && reason.length <= MAX_REASON) return;
  throw invalid(`illegal reason: ${describe(reason)}`, `Use at most ${MAX_REASON} characters of well-formed Unicode.`);
}
