/** Stores progress, failures and results of tasks. */

import { BusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';
import type { DeliveryLease } from '../consuming/delivery-leases.ts';
import { type Failure, RejectError, toFailureRecord } from '../consuming/failure.ts';
import type { EncodedBody } from '../messages/body-codec.ts';
import { type StandardSchema, validate } from '../messages/schema.ts';
import type { BusRuntime } from '../runtime.ts';
import { TaskProgress } from './task-progress.ts';
import { DEFAULT_RESULT_TTL_MS, encodeRecord, MAX_KEPT_BYTES, type TaskRecord, taskKey } from './task-record.ts';

/** How results of one queue are stored. */
export interface ResultPlan {
  readonly where: string;
  /** 0: nothing is stored after the end of a task. */
  readonly resultTtlMs: number;
  readonly schema: StandardSchema | undefined;
}

/** Stores the records of one worker's tasks. */
export class TaskResultStore {
  readonly #runtime: BusRuntime;
  readonly #plan: ResultPlan;
  readonly #progress = new WeakMap<Delivery, TaskProgress>();

  constructor(runtime: BusRuntime, plan: ResultPlan) {
    this.#runtime = runtime;
    this.#plan = plan;
  }

  /** Stores progress. Never throws: a failed write must not fail the task. */
  progress(delivery: Delivery, lease: DeliveryLease, value: unknown): void {
    try {
      const body = this.#runtime.bodyCodec.encode(value);
      const { byteLength } = body.body;
      if (byteLength > MAX_KEPT_BYTES) {
        const text = `the progress has ${byteLength} bytes, the limit is ${MAX_KEPT_BYTES}`;
        throw new BusbarError('PAYLOAD_TOO_LARGE', text);
      }
      this.#writer(delivery, lease).put(body);
    } catch (error) {
      this.#runtime.report(error, this.#plan.where);
    }
  }

  /** Stores the result. The write and the ack that follows are sent in one turn of the event loop. */
  async done(delivery: Delivery, result: unknown): Promise<void> {
    const body = await this.#encode(result);
    const hadProgress = await this.#stop(delivery);
    if (this.#plan.resultTtlMs > 0) {
      const kept = body.body.byteLength > MAX_KEPT_BYTES ? undefined : body;
      void this.#put(delivery, { state: 'done', attempt: delivery.attempt, body: kept });
    } else if (hadProgress) void this.#delete(delivery);
  }

  async failed(delivery: Delivery, { thrown }: Failure): Promise<void> {
    await this.#stop(delivery);
    if (this.#plan.resultTtlMs === 0) return;
    void this.#put(delivery, { state: 'failed', attempt: delivery.attempt, failure: toFailureRecord(thrown) });
  }

  #writer(delivery: Delivery, lease: DeliveryLease): TaskProgress {
    const known = this.#progress.get(delivery);
    if (known !== undefined) return known;
    const writer = new TaskProgress(async (body) => {
      if (await this.#isHeld(lease)) await this.#put(delivery, { state: 'running', attempt: delivery.attempt, body });
    });
    this.#progress.set(delivery, writer);
    return writer;
  }

  /** A worker whose lease has ended must not overwrite the result of the next worker. */
  async #isHeld(lease: DeliveryLease): Promise<boolean> {
    if (lease.isOver) return false;
    return this.#runtime.leases.ensure(lease).then(
      () => true,
      () => false,
    );
  }

  async #stop(delivery: Delivery): Promise<boolean> {
    const writer = this.#progress.get(delivery);
    await writer?.stop();
    return writer !== undefined;
  }

  /** Encodes a result. If that fails the task is rejected: a retry would repeat finished work and fail again. */
  async #encode(result: unknown): Promise<EncodedBody> {
    const { schema, where } = this.#plan;
    try {
      if (schema !== undefined) await validate(schema, result, `result of ${where}`);
      return this.#runtime.bodyCodec.encode(result);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new RejectError(`the result of the handler is invalid: ${reason}`, { cause: error });
    }
  }

  async #put(delivery: Delivery, record: TaskRecord): Promise<void> {
    const ttlMs = this.#plan.resultTtlMs || DEFAULT_RESULT_TTL_MS;
    try {
      await this.#runtime.transport.kv.put(taskKey(delivery.id), encodeRecord(record), { ttlMs });
    } catch (error) {
      this.#runtime.report(error, this.#plan.where);
    }
  }

  async #delete(delivery: Delivery): Promise<void> {
    await this.#runtime.transport.kv
      .delete(taskKey(delivery.id))
      .catch((error: unknown) => this.#runtime.report(error, this.#plan.where));
  }
}
