/** Ends the handlers of tasks that their handles cancel. */

import type { CallOptions } from '../../contract/call-options.ts';
import { BusbarError } from '../../contract/errors.ts';
import type { KvChange, KvWatch } from '../../contract/kv.ts';
import type { Delivery } from '../../contract/message.ts';
import { ChurnMap } from '../../driver-kit/churn.ts';
import { keepAliveDuring } from '../../driver-kit/keep-alive.ts';
import type { DeliveryLease } from '../consuming/delivery-leases.ts';
import type { FailurePlace } from '../observing/background-failure.ts';
import type { BusRuntime } from '../runtime.ts';
import type { BusPart } from '../shutdown.ts';
import { type CancelRequest, cancelKey, readCancelRequest } from './cancel-request.ts';

/** The value of a handler whose task was cancelled. */
export class Cancelled {
  readonly reason: string | undefined;

  constructor(reason: string | undefined) {
    this.reason = reason;
  }

  get text(): string {
    return this.reason === undefined ? 'the task was cancelled' : `the task was cancelled: ${this.reason}`;
  }
}

/** A task whose handler runs. */
interface RunningTask {
  readonly sentAt: number;
  readonly lease: DeliveryLease;
  readonly resolve: (value: Cancelled) => void;
}

/** The cancelled tasks of one worker. */
export class CancelledTasks implements BusPart {
  readonly #runtime: BusRuntime;
  readonly #place: FailurePlace;
  /** By the id of the task. */
  readonly #requests = new Map<string, CancelRequest>();
  readonly #running = new ChurnMap<string, RunningTask>();
  readonly #synced = Promise.withResolvers<void>();
  #watch: KvWatch | undefined;

  constructor(runtime: BusRuntime, place: FailurePlace) {
    this.#runtime = runtime;
    this.#place = place;
  }

  /** Resolves when present and later requests are seen. */
  async open(queue: string, bounds: CallOptions | undefined): Promise<void> {
    const { kv } = this.#runtime.transport;
    const options = { ...bounds, keepsAlive: false };
    const watch = await kv.watch(cancelKey(`${queue}#`), (changes) => this.#onChanges(changes), options);
    this.#watch = watch;
    const forget = this.#runtime.shutdown.add('services', this);
    const ended = watch.ended.then((error) => {
      forget();
      if (error !== undefined) this.#runtime.report(error, this.#place);
    });
    await keepAliveDuring(Promise.race([this.#synced.promise, ended]));
  }

  async close(): Promise<void> {
    await this.#watch?.close();
  }

  /** The value of `handle`, or {@link Cancelled} as soon as the task is cancelled. */
  run(delivery: Delivery, lease: DeliveryLease, handle: () => Promise<unknown>): Promise<unknown> {
    const { id, sentAt } = delivery;
    return new Promise((resolve, reject) => {
      const running: RunningTask = { sentAt, lease, resolve };
      if (this.#cancel(id, running)) return;
      this.#running.set(id, running);
      handle().then(
        (value) => {
          this.#forget(id, running);
          resolve(value);
        },
        (error: unknown) => {
          this.#forget(id, running);
          reject(error);
        },
      );
    });
  }

  /** Ends a task with its value {@link Cancelled}, if that was requested. */
  #cancel(id: string, { sentAt, lease, resolve }: RunningTask): boolean {
    const request = this.#requests.get(id);
    if (request?.sentAt !== sentAt) return false;
    const cancelled = new Cancelled(request.reason);
    lease.isCancelled = true;
    lease.abort(new BusbarError('ABORTED', cancelled.text));
    resolve(cancelled);
    return true;
  }

  #forget(id: string, running: RunningTask): void {
    if (this.#running.get(id) === running) this.#running.delete(id);
  }

  #onChanges(changes: readonly KvChange[]): void {
    for (const change of changes) {
      if (change.kind === 'synced') {
        this.#synced.resolve();
        continue;
      }
      const key = change.kind === 'put' ? change.entry.key : change.key;
      const id = key.slice(cancelKey('').length);
      if (change.kind === 'put') this.#requests.set(id, readCancelRequest(change.entry.value));
      else this.#requests.delete(id);
      const running = this.#running.get(id);
      if (running !== undefined) this.#cancel(id, running);
    }
  }
}
