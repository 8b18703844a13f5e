/** The queues facet of a transport: checks arguments, tracks leases, and releases what abandoned receives have claimed. */

import { MAX_BATCH } from '../contract/defaults.ts';
import type { CallContext, ReceiveRequest } from '../contract/driver.ts';
import { invalid } from '../contract/errors.ts';
import { checkKvPut } from '../contract/kv-put.ts';
import type { Delivery } from '../contract/message.ts';
import { checkQueueName } from '../contract/names.ts';
import type { QueueSettings, Queues, ReceiveOptions, SendOptions, Settlement } from '../contract/queues.ts';
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
import type { InnerQueues } from '../driver-kit/inner-queues.ts';
import { isAborted, whenAborted } from '../driver-kit/lazy-abort.ts';
import { withResultContext } from './error-context.ts';
import { type Claiming, countFrom, type PendingReceive, PendingReceives } from './pending-receives.ts';
import { prepareMessages } from './prepare-message.ts';
import type { TransportInternals } from './transport-internals.ts';
import { declaredQueues } from './validate-capabilities.ts';

const CALL_KEYS = ['timeoutMs', 'signal'];
const ACTIONS = ['ack', 'retry', 'reject', 'release', 'extend'];
const ENTRY_ACTIONS = ['ack', 'retry', 'reject'];
const MAX_REASON = 4096;
/** How long a receive may take beyond `waitMs`, while the server is away or the store is locked: if it waits, if it does not. */
const ANSWER_MS = 30_000;
const ANSWER_AT_ONCE_MS = 10_000;
const MAX_COUNT = 2_147_483_647;
const LEASE_BOUNDS = { min: 50, max: 43_200_000 };

/** The queues facet of the transport, and the same for a driver over it. */
export function openQueues(internals: TransportInternals): { readonly queues: Queues; readonly inner: InnerQueues } {
  const { receive, receiveFor } = openReceive(internals);
  const { queues } = internals.driver;
  const inner: InnerQueues = {
    send: (...args) => queues.send(...args),
    settle: (...args) => queues.settle(...args),
    receive: receiveFor,
  };
  return { queues: openFacet(internals, receive), inner };
}

function openFacet(internals: TransportInternals, receive: Receive): Queues {
  const { driver, inflight, leases } = internals;
  return {
    async send(queue, messages, options) {
      checkQueueName(queue);
      checkSendOptions(options);
      const prepared = prepareMessages(messages, undefined, driver.capabilities);
      const results = await inflight.write(options, (context) =>
        driver.queues.send(queue, prepared, options?.create ?? true, context),
      );
      return withResultContext(results, 'queues.send', driver.name);
    },
    async receive(queue, options) {
      internals.lifecycle.assertOpen();
      checkQueueName(queue);
      const request = checkReceiveOptions(options);
      const usual = request.waitMs === 0 ? ANSWER_AT_ONCE_MS : ANSWER_MS;
      const answerMs = options?.timeoutMs ?? Math.min(usual, inflight.callTimeoutMs);
      const { signal, keepsAlive } = options ?? {};
      const deliveries = await receive(queue, request, { timeoutMs: request.waitMs + answerMs, signal, keepsAlive });
      leases.add(deliveries);
      return deliveries;
    },
    async settle(settlements, options) {
      checkOptions(options, CALL_KEYS, 'settle options');
      checkSettlements(settlements);
      const own = settlements.map(ownSettlement);
      const results = await inflight.finish(options, (context) => driver.queues.settle(own, context));
      leases.settled(own, results);
      return results;
    },
    async configure(queue, settings, options) {
      checkQueueName(queue);
      checkSettings(settings);
      checkOptions(options, CALL_KEYS, 'configure options');
      return inflight.write(options, (context) => driver.queues.configure(queue, { ...settings }, context));
    },
  };
}

interface ReceiveBounds extends Pick<ReceiveOptions, 'signal' | 'keepsAlive'> {
  readonly timeoutMs: number;
  readonly outer?: CallContext;
}

type Receive = (queue: string, request: ReceiveRequest, bounds: ReceiveBounds) => Promise<Delivery[]>;

interface Receives {
  readonly receive: Receive;
  /** For an outer call, which has its own bounds and releases what comes too late. */
  readonly receiveFor: InnerQueues['receive'];
}

/** The driver waits if it can; otherwise {@link PendingReceives} wait. What an abandoned receive has claimed is released. */
function openReceive(internals: TransportInternals): Receives {
  const { inflight, driver } = internals;
  const { queues } = driver;
  const release = (deliveries: readonly Delivery[]): void => {
    if (deliveries.length === 0) return;
    const back = deliveries.map(({ receipt }) => ({ receipt, action: 'release' as const }));
    inflight
      .run({ whenAbandoned: 'unknown' }, undefined, (context) => queues.settle(back, context))
      .catch(() => undefined);
  };
  const plan = {
    whenAbandoned: 'failed',
    isWait: true,
    onLate: (late: Delivery[]) => release(late),
  } as const;
  const claiming = openClaiming(internals, release);
  if (claiming === undefined) {
    const receive: Receive = async (queue, request, { signal, ...bounds }) => {
      const sentAt = performance.now();
      const deliveries = await inflight.run({ ...plan, ...bounds }, { signal }, (context) =>
        declaredQueues(driver).receive(queue, request, context),
      );
      countFrom(sentAt, deliveries);
      return deliveries;
    };
    const receiveFor: Receives['receiveFor'] = (queue, request, outer) =>
      receive(queue, request, { timeoutMs: Number.POSITIVE_INFINITY, keepsAlive: false, outer });
    return { receive, receiveFor };
  }
  const pending = new PendingReceives(claiming, internals.deadlines);
  return {
    receive: (queue, request, { signal, ...bounds }) => {
      const receive = pending.prepare(queue, request);
      return inflight.run({ ...plan, ...bounds, onAbandoned: () => pending.end(receive) }, { signal }, () =>
        pending.start(receive),
      );
    },
    receiveFor: (queue, request, outer) => receiveUntil(outer, pending, pending.prepare(queue, request)),
  };
}

/** Resolves with no messages once `outer` has aborted. */
async function receiveUntil(
  outer: CallContext,
  pending: PendingReceives,
  receive: PendingReceive,
): Promise<Delivery[]> {
  if (isAborted(outer)) return [];
  const stop = whenAborted(outer, () => pending.end(receive));
  try {
    return await pending.start(receive);
  } finally {
    stop();
  }
}

function openClaiming({ inflight, driver }: TransportInternals, release: Claiming['release']): Claiming | undefined {
  const { queues } = driver;
  const { waiting } = queues;
  if (waiting === undefined) return undefined;
  return {
    waiting,
    release,
    async claim(queue, request, context) {
      const done = inflight.hold();
      try {
        return await declaredQueues(driver).claim(queue, request, context);
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
  checkOptions(options, ['max', 'waitMs', 'timeoutMs', 'consumer', 'keepsAlive', 'signal'], 'receive options');
  checkInteger(options?.max, 'max', { min: 1, max: 1000 });
  checkDuration(options?.waitMs, 'waitMs', { min: 0, max: MAX_DURATION_MS, infinity: true });
  checkDuration(options?.timeoutMs, 'timeoutMs', { min: 1, max: MAX_DURATION_MS, infinity: true });
  checkText(options?.consumer, 'consumer', 255);
  checkBoolean(options?.keepsAlive, 'keepsAlive');
  return { max: options?.max ?? 1, waitMs: options?.waitMs ?? 0, consumer: options?.consumer };
}

/** Throws INVALID_ARGUMENT unless `settings` are legal. */
export function checkSettings(settings: QueueSettings | undefined): void {
  const keys = ['leaseMs', 'maxLength', 'maxAttempts', 'dedupeMs', 'expireIdleMs', 'frozen', 'paused', 'deadTtlMs'];
  checkOptions(settings, keys, 'queue settings');
  checkDuration(settings?.leaseMs, 'leaseMs', LEASE_BOUNDS);
  checkInteger(settings?.maxLength, 'maxLength', { min: 1, max: MAX_COUNT });
  checkInteger(settings?.maxAttempts, 'maxAttempts', { min: 1, max: 1000 });
  checkDuration(settings?.dedupeMs, 'dedupeMs', { min: 120_000, max: 604_800_000 });
  checkDuration(settings?.expireIdleMs, 'expireIdleMs', { min: 1000, max: MAX_DURATION_MS, infinity: true });
  checkDuration(settings?.deadTtlMs, 'deadTtlMs', { min: 1000, max: MAX_DURATION_MS, infinity: true });
  checkBoolean(settings?.frozen, 'frozen');
  checkBoolean(settings?.paused, 'paused');
}

function checkSettlements(settlements: readonly Settlement[]): void {
  checkArray(settlements, 'settlements', MAX_BATCH);
  for (const settlement of settlements) checkSettlement(settlement);
}

function checkSettlement(settlement: Settlement): void {
  checkOptions(settlement, ['receipt', 'action', 'delayMs', 'reason', 'leaseMs', 'entry'], 'settlement');
  if (settlement?.action === undefined)
    throw invalid('a settlement needs an action', `Use one of ${ACTIONS.join(', ')}.`);
  checkOneOf(settlement.action, 'action', ACTIONS);
  checkReceipt(settlement.receipt);
  if ('delayMs' in settlement) checkDuration(settlement.delayMs, 'delayMs', { min: 0, max: MAX_DURATION_MS });
  if ('reason' in settlement && settlement.reason !== undefined) checkReason(settlement.reason);
  if ('leaseMs' in settlement) checkLease(settlement);
  if (settlement.entry !== undefined) checkEntry(settlement);
}

function checkLease({ action, leaseMs }: Settlement & { readonly leaseMs?: unknown }): void {
  if (leaseMs !== undefined && action !== 'extend') throw invalid(`${action} takes no leaseMs`, 'It goes with extend.');
  checkDuration(leaseMs, 'leaseMs', LEASE_BOUNDS);
}

function checkEntry({ action, entry }: Settlement): void {
  if (!ENTRY_ACTIONS.includes(action)) {
    throw invalid(`${action} takes no entry`, `An entry goes with ${ENTRY_ACTIONS.join(', ')}.`);
  }
  checkKvPut(entry);
}

function ownSettlement(settlement: Settlement): Settlement {
  const own = 'reason' in settlement && settlement.reason === '' ? { ...settlement, reason: undefined } : settlement;
  if (own.entry === undefined) return { ...own };
  const { key, value, ttlMs } = own.entry;
  return { ...own, entry: { key, value: new Uint8Array(value), ttlMs } };
}

function checkReceipt(receipt: unknown): void {
  if (typeof receipt === 'string' && receipt.length >= 1 && receipt.length <= 512) return;
  throw invalid(`illegal receipt: ${describe(receipt)}`, 'Use the receipt of a delivery as it was.');
}

function checkReason(reason: unknown): void {
  if (typeof reason === 'string' && reason.isWellFormed() && reason.length <= MAX_REASON) return;
  throw invalid(`illegal reason: ${describe(reason)}`, `Use at most ${MAX_REASON} characters of well-formed Unicode.`);
}
