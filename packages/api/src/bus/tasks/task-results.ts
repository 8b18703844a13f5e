/** Stores progress, failures and results of tasks. */

import { BusbarError, toBusbarError } from '../../contract/errors.ts';
import type { KvPut } from '../../contract/kv.ts';
import { checkKvPut } from '../../contract/kv-put.ts';
import type { Delivery } from '../../contract/message.ts';
import type { DeliveryLease } from '../consuming/delivery-leases.ts';
import { type Failure, InvalidOutputError, toFailureRecord } from '../consuming/failure.ts';
import { placeOfChild } from '../flows/flow-id.ts';
import { FLOW_TTL_MS } from '../flows/flow-record.ts';
import type { EncodedBody } from '../messages/body-codec.ts';
import type { Later } from '../messages/later.ts';
import { type StandardSchema, validateSent } from '../messages/schema.ts';
import type { BusRuntime } from '../runtime.ts';
import type { Cancelled } from './cancelled-tasks.ts';
import { storeParts } from './result-parts.ts';
import { TaskProgress } from './task-progress.ts';
import { DEFAULT_RESULT_TTL_MS, encodeRecord, MAX_KEPT_BYTES, type TaskRecord, taskKey } from './task-record.ts';

/** How results of one queue are stored. */
export interface ResultPlan {
  readonly queue: string;
  /** 0: nothing is stored after the end of a task. */
  readonly resultTtlMs: number;
  readonly schema: StandardSchema | undefined;
  readonly progressSchema: StandardSchema | undefined;
}

/** The record of one delivery. */
interface RecordState {
  progress: TaskProgress | undefined;
  /** The revision that this worker wrote; 0 before it wrote any. */
  revision: number;
}

/** The revision that a write found instead of the expected one; undefined if it was stored or failed. */
type Conflict = number | undefined;

/**
 * The records of one worker's tasks. An outcome is the entry of its settlement: of a worker that lost its lease none is stored.
 * Progress is put beside it, while the lease is held.
 */
export class TaskResultStore {
  readonly #runtime: BusRuntime;
  readonly #plan: ResultPlan;
  readonly #states = new WeakMap<Delivery, RecordState>();

  constructor(runtime: BusRuntime, plan: ResultPlan) {
    this.#runtime = runtime;
    this.#plan = plan;
  }

  /** Stores progress. Never throws: a failed write must not fail the task. */
  progress(delivery: Delivery, lease: DeliveryLease, value: unknown): void {
    const { progressSchema, queue } = this.#plan;
    try {
      const checked = validateSent(this.#runtime.bodyCodec, progressSchema, value, `the progress of tasks of ${queue}`);
      if (checked === undefined) this.#writeProgress(delivery, lease, value);
      checked?.then(() => this.#writeProgress(delivery, lease, value)).catch((error: unknown) => this.#report(error));
    } catch (error) {
      this.#report(error);
    }
  }

  #writeProgress(delivery: Delivery, lease: DeliveryLease, value: unknown): void {
    try {
      const encoded = this.#runtime.bodyCodec.encode(value);
      if (!(encoded instanceof Promise)) this.#putProgress(delivery, lease, encoded);
      else {
        const put = encoded.then((late) => this.#putProgress(delivery, lease, late));
        void put.catch((error: unknown) => this.#report(error));
      }
    } catch (error) {
      this.#report(error);
    }
  }

  #putProgress(delivery: Delivery, lease: DeliveryLease, body: EncodedBody): void {
    const { byteLength } = body.body;
    if (byteLength > MAX_KEPT_BYTES) {
      const text = `the progress has ${byteLength} bytes, the limit is ${MAX_KEPT_BYTES}`;
      throw new BusbarError('PAYLOAD_TOO_LARGE', text);
    }
    this.#writer(delivery, lease).put(body);
  }

  /** The entry of the ack: the result. A promise only if there is something to wait for. */
  done(delivery: Delivery, result: unknown): Promise<KvPut | undefined> | KvPut | undefined {
    if (this.#plan.schema !== undefined) return this.#check(result).then(() => this.#done(delivery, result));
    return this.#done(delivery, result);
  }

  #done(delivery: Delivery, result: unknown): Promise<KvPut | undefined> | KvPut | undefined {
    const encoded = this.#encode(result);
    if (encoded instanceof Promise) return encoded.then((late) => this.#settled(delivery, late));
    return this.#settled(delivery, encoded);
  }

  #settled(delivery: Delivery, encoded: EncodedBody): Promise<KvPut | undefined> | KvPut | undefined {
    const state = this.#states.get(delivery);
    if (state?.progress !== undefined) return state.progress.stop().then(() => this.#kept(delivery, encoded, state));
    return this.#kept(delivery, encoded, state);
  }

  #kept(
    delivery: Delivery,
    encoded: EncodedBody,
    state: RecordState | undefined,
  ): Promise<KvPut | undefined> | KvPut | undefined {
    const resultTtlMs = this.#ttlMsOf(delivery);
    if (resultTtlMs === 0) {
      if (state !== undefined && state.revision !== 0) void this.#delete(delivery, state);
      return undefined;
    }
    const { sentAt } = delivery;
    if (encoded.body.byteLength <= MAX_KEPT_BYTES) {
      return this.#entry(delivery, { state: 'done', sentAt, body: encoded });
    }
    return storeParts(this.#runtime.transport.kv, encoded, resultTtlMs).then((body) =>
      this.#entry(delivery, { state: 'done', sentAt, body }),
    );
  }

  /** The entry of the settlement: the failure. It is stored with the last attempt; earlier ones are in the history. */
  async failed(delivery: Delivery, { thrown }: Failure): Promise<KvPut | undefined> {
    await this.#stateOf(delivery).progress?.stop();
    if (this.#ttlMsOf(delivery) === 0) return undefined;
    const { sentAt } = delivery;
    return this.#entry(delivery, { state: 'failed', sentAt, failure: toFailureRecord(thrown) });
  }

  /** The entry of the ack of a task that was cancelled while it ran. It is kept though results are not. */
  async cancelled(delivery: Delivery, { reason }: Cancelled): Promise<KvPut | undefined> {
    await this.#stateOf(delivery).progress?.stop();
    const { sentAt } = delivery;
    return this.#entry(delivery, { state: 'cancelled', sentAt, reason });
  }

  /** The result of a child is kept until its parent has it. */
  #ttlMsOf({ id }: Delivery): number {
    return placeOfChild(id) === undefined ? this.#plan.resultTtlMs : FLOW_TTL_MS;
  }

  /** An illegal entry, such as one of a codec with a very long content type, must not refuse the settlement. */
  #entry(delivery: Delivery, record: TaskRecord): KvPut | undefined {
    const entry = {
      key: taskKey(delivery.id),
      value: encodeRecord(record),
      ttlMs: this.#ttlMsOf(delivery) || DEFAULT_RESULT_TTL_MS,
    };
    try {
      checkKvPut(entry);
      return entry;
    } catch (error) {
      this.#report(error);
      return undefined;
    }
  }

  #writer(delivery: Delivery, lease: DeliveryLease): TaskProgress {
    const state = this.#stateOf(delivery);
    const { sentAt } = delivery;
    state.progress ??= new TaskProgress(async (body) => {
      if (!(await this.#isHeld(lease))) return;
      const record = { state: 'running', sentAt, body } as const;
      const found = await this.#put(delivery, state, record);
      if (found !== undefined) await this.#put(delivery, state, record, found);
    });
    this.#states.set(delivery, state);
    return state.progress;
  }

  /** A delivery without progress needs no entry. */
  #stateOf(delivery: Delivery): RecordState {
    return this.#states.get(delivery) ?? { progress: undefined, revision: 0 };
  }

  async #isHeld(lease: DeliveryLease): Promise<boolean> {
    if (lease.isOver) return false;
    return this.#runtime.leases.ensure(lease).then(
      () => true,
      () => false,
    );
  }

  /** Encodes a result. If that fails the task is rejected: a retry would repeat finished work and fail again. */
  #encode(result: unknown): Later<EncodedBody> {
    try {
      const encoded = this.#runtime.bodyCodec.encode(result);
      return encoded instanceof Promise ? encoded.catch(refuseResult) : encoded;
    } catch (error) {
      return refuseResult(error);
    }
  }

  async #check(result: unknown): Promise<void> {
    const { schema, queue } = this.#plan;
    try {
      await validateSent(this.#runtime.bodyCodec, schema, result, `result of tasks of ${queue}`);
    } catch (error) {
      refuseResult(error);
    }
  }

  /** Writes a record over `revision`, by default the last one of this worker. Never rejects. */
  async #put(delivery: Delivery, state: RecordState, record: TaskRecord, revision?: number): Promise<Conflict> {
    const ttlMs = this.#ttlMsOf(delivery) || DEFAULT_RESULT_TTL_MS;
    const ifRevision = revision ?? state.revision;
    try {
      const { kv } = this.#runtime.transport;
      const result = await kv.put(taskKey(delivery.id), encodeRecord(record), { ttlMs, ifRevision });
      if (result.status === 'conflict') return result.current?.revision ?? 0;
      state.revision = result.revision;
    } catch (error) {
      this.#report(error);
    }
    return undefined;
  }

  async #delete(delivery: Delivery, { revision }: RecordState): Promise<void> {
    await this.#runtime.transport.kv
      .delete(taskKey(delivery.id), { ifRevision: revision })
      .catch((error: unknown) => this.#report(error));
  }

  #report(error: unknown): void {
    this.#runtime.report(error, { kind: 'task', queue: this.#plan.queue });
  }
}

function refuseResult(error: unknown): never {
  throw new InvalidOutputError('the result of the handler', toBusbarError(error));
}
