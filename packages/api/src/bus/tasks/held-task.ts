/** Tasks that are taken without a handler, for shells and custom loops. */

import { BusbarError } from '../../contract/errors.ts';
import type { KvPut } from '../../contract/kv.ts';
import type { Delivery } from '../../contract/message.ts';
import { checkDuration, checkInteger, checkOptions, checkText, MAX_DURATION_MS } from '../../contract/validation.ts';
import type { ReceiveMailOptions } from '../agent.ts';
import { backoffMs, DEFAULT_RETRY } from '../consuming/backoff.ts';
import { toFailureRecord } from '../consuming/failure.ts';
import { type ReceivedMessage, toReadable } from '../consuming/received.ts';
import { type HeldMessage, type ReleaseOptions, releaseOne, settleOne } from '../consuming/settle-one.ts';
import { childEnded } from '../flows/child-ended.ts';
import { placeOfChild } from '../flows/flow-id.ts';
import { FLOW_TTL_MS } from '../flows/flow-record.ts';
import { receiveReady } from '../flows/receive-ready.ts';
import { type ExtendOptions, leaseOf, type RetryOptions } from '../mail/inbox-message.ts';
import type { QueueDefinition } from '../messages/definitions.ts';
import type { BusRuntime } from '../runtime.ts';
import { toQueueDefinition } from './enqueue-options.ts';
import { storeParts } from './result-parts.ts';
import type { TaskQueues } from './task-queue.ts';
import { readTaskReceipt, type TaskReceipt, toTaskReceipt } from './task-receipt.ts';
import { DEFAULT_RESULT_TTL_MS, encodeRecord, MAX_KEPT_BYTES, type TaskRecord, taskKey } from './task-record.ts';
import { forgetName } from './unique-tasks.ts';

/** A task under a lease, in any process. Settle it before the lease ends; after that, methods reject with LEASE_LOST. */
export interface HeldTask {
  readonly id: string;
  readonly queue: string;
  /** 1 for the first delivery. */
  readonly attempt: number;
  /** Another process can go on with this: `bus.heldTask(receipt)`, where the transport has the feature `portableReceipts`. */
  readonly receipt: string;
  /** Ends the task with its result, which is kept for one hour. */
  done(result?: unknown): Promise<void>;
  /** The attempt failed: it is retried, by default after the backoff of workers; after the last attempt it is a dead letter. */
  fail(options?: RetryOptions): Promise<void>;
  /** Makes it a dead letter. */
  reject(reason?: string): Promise<void>;
  /** Returns it to the queue, now or after a delay; the attempt does not count. */
  release(options?: ReleaseOptions): Promise<void>;
  /** Renews the lease. Resolves with how long it lasts. */
  extend(options?: ExtendOptions): Promise<number>;
  /** Reports progress to followers of the task, and renews the lease. */
  progress(value: unknown): Promise<void>;
}

/** A task that this call took. */
export interface TakenTask<T = unknown> extends ReceivedMessage<T>, HeldTask {
  readonly id: string;
  readonly attempt: number;
  /** How long the lease lasted when the task was taken. */
  readonly leaseLeftMs: number;
}

/** How to take tasks. */
export interface TakeOptions extends ReceiveMailOptions {
  /** The name of the consumer, for operators and the history of dead letters, 1 to 255 characters. */
  readonly consumer?: string | undefined;
}

/** Takes tasks without a handler. A body that cannot be decoded stays bytes. */
export async function takeTasks(
  { runtime, queues }: { readonly runtime: BusRuntime; readonly queues: TaskQueues },
  name: string | QueueDefinition,
  options: TakeOptions = {},
): Promise<TakenTask[]> {
  runtime.assertOpen();
  const definition = toQueueDefinition(name);
  const { queue } = definition;
  checkOptions(options, ['max', 'waitMs', 'timeoutMs', 'signal', 'consumer'], 'take options');
  checkInteger(options.max, 'max', { min: 1, max: 1000 });
  checkDuration(options.waitMs, 'waitMs', { min: 0, max: MAX_DURATION_MS, infinity: true });
  checkText(options.consumer, 'consumer', 255);
  await queues.prepare(definition);
  const { consumer = runtime.instance } = options;
  return runtime.middleware.receive({ kind: 'task', queue }, async () => {
    const deliveries = await receiveReady(runtime, queue, { ...options, consumer });
    return Promise.all(deliveries.map((delivery) => toTakenTask(runtime, delivery)));
  });
}

/** The task with this receipt, which any process may have taken. Throws INVALID_ARGUMENT. */
export function heldTask(runtime: BusRuntime, receipt: string): HeldTask {
  return new HeldTaskImpl(runtime, readTaskReceipt(receipt), receipt);
}

async function toTakenTask(runtime: BusRuntime, delivery: Delivery): Promise<TakenTask> {
  const { queue, leaseLeftMs } = delivery;
  const held = new HeldTaskImpl(runtime, { ...delivery, heldAt: performance.now() }, toTaskReceipt(delivery));
  return Object.assign(held, await toReadable(runtime.bodyCodec, delivery), { queue, leaseLeftMs });
}

class HeldTaskImpl implements HeldTask {
  readonly id: string;
  readonly queue: string;
  readonly attempt: number;
  readonly receipt: string;
  readonly #runtime: BusRuntime;
  readonly #sentAt: number;
  readonly #held: HeldMessage;

  constructor(runtime: BusRuntime, held: TaskReceipt & Pick<HeldMessage, 'heldAt'>, receipt: string) {
    const { id, queue, attempt, sentAt, heldAt } = held;
    this.id = id;
    this.queue = queue;
    this.attempt = attempt;
    this.receipt = receipt;
    this.#runtime = runtime;
    this.#sentAt = sentAt;
    this.#held = { source: { kind: 'task', queue }, id, attempt, heldAt, receipt: held.receipt };
  }

  async done(result?: unknown): Promise<void> {
    const { transport, bodyCodec } = this.#runtime;
    const encoded = await bodyCodec.encode(result);
    const isSmall = encoded.body.byteLength <= MAX_KEPT_BYTES;
    const body = isSmall ? encoded : await storeParts(transport.kv, encoded, this.#ttlMs);
    const entry = this.#entry({ state: 'done', sentAt: this.#sentAt, body });
    await settleOne(this.#runtime, this.#held, { receipt: this.#held.receipt, action: 'ack', entry });
    await this.#ended(false);
  }

  async fail(options?: RetryOptions): Promise<void> {
    checkOptions(options, ['delayMs', 'reason'], 'fail options');
    checkDuration(options?.delayMs, 'delayMs', { min: 0, max: MAX_DURATION_MS });
    checkText(options?.reason, 'reason', 2000);
    const { delayMs = backoffMs(DEFAULT_RETRY, this.attempt), reason } = options ?? {};
    const entry = this.#failure(reason);
    await settleOne(this.#runtime, this.#held, {
      receipt: this.#held.receipt,
      action: 'retry',
      delayMs,
      reason,
      entry,
    });
    await this.#ended(true);
  }

  async reject(reason?: string): Promise<void> {
    checkText(reason, 'reason', 2000);
    const entry = this.#failure(reason);
    await settleOne(this.#runtime, this.#held, { receipt: this.#held.receipt, action: 'reject', reason, entry });
    await this.#ended(true);
  }

  release(options?: ReleaseOptions): Promise<void> {
    return releaseOne(this.#runtime, this.#held, options);
  }

  async extend(options?: ExtendOptions): Promise<number> {
    const { receipt } = this.#held;
    return (await settleOne(this.#runtime, this.#held, { receipt, action: 'extend', leaseMs: leaseOf(options) })) ?? 0;
  }

  async progress(value: unknown): Promise<void> {
    const body = await this.#runtime.bodyCodec.encode(value);
    const { byteLength } = body.body;
    if (byteLength > MAX_KEPT_BYTES) {
      const text = `the progress has ${byteLength} bytes, the limit is ${MAX_KEPT_BYTES}`;
      throw new BusbarError('PAYLOAD_TOO_LARGE', text, { hint: 'Report less, or a reference to it.' });
    }
    await this.extend();
    const { key, value: record, ttlMs } = this.#entry({ state: 'running', sentAt: this.#sentAt, body });
    await this.#runtime.transport.kv.put(key, record, { ttlMs });
  }

  #failure(reason = 'it failed'): KvPut {
    const failure = toFailureRecord(new Error(reason));
    return this.#entry({ state: 'failed', sentAt: this.#sentAt, failure });
  }

  #entry(record: TaskRecord): KvPut {
    return { key: taskKey(this.id), value: encodeRecord(record), ttlMs: this.#ttlMs };
  }

  /** Wakes the parent of a child, and frees the key of a unique task. The task is settled, so a failure is only reported. */
  async #ended(isFailed: boolean): Promise<void> {
    const { id, queue } = this;
    const { transport } = this.#runtime;
    const forgotten = isFailed ? undefined : forgetName(transport.kv, id);
    await Promise.all([childEnded(transport, id, isFailed), forgotten]).catch((error) =>
      this.#runtime.report(error, { kind: 'task', queue, id }),
    );
  }

  /** The result of a child is kept until its parent has it. */
  get #ttlMs(): number {
    return placeOfChild(this.id) === undefined ? DEFAULT_RESULT_TTL_MS : FLOW_TTL_MS;
  }
}
