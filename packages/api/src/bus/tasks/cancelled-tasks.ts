/** Ends the handlers of tasks that their handles cancel. */

import type { CallOptions } from '../../contract/call-options.ts';
import { BusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';
import { ChurnMap } from '../../driver-kit/churn.ts';
import type { DeliveryLease } from '../consuming/delivery-leases.ts';
import type { FailurePlace } from '../observing/background-failure.ts';
import type { BusRuntime } from '../runtime.ts';
import { type CancelRequest, cancelKey, readCancelRequest } from './cancel-request.ts';
import { type EntryChange, WorkerWatch } from './worker-watch.ts';

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
export class CancelledTasks {
  readonly #watch: WorkerWatch;
  /** By the id of the task. */
  readonly #requests = new Map<string, CancelRequest>();
  readonly #running = new ChurnMap<string, RunningTask>();

  constructor(runtime: BusRuntime, place: FailurePlace) {
    this.#watch = new WorkerWatch(runtime, place, (change) => this.#onChange(change));
  }

  /** Resolves when present and later requests are seen. */
  open(queue: string, bounds: CallOptions | undefined): Promise<void> {
    return this.#watch.open(cancelKey(`${queue}#`), bounds);
  }

  close(): Promise<void> {
    return this.#watch.close();
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

  #onChange(change: EntryChange): void {
    const key = change.kind === 'put' ? change.entry.key : change.key;
    const id = key.slice(cancelKey('').length);
    if (change.kind === 'put') this.#requests.set(id, readCancelRequest(change.entry.value));
    else this.#requests.delete(id);
    const running = this.#running.get(id);
    if (running !== undefined) this.#cancel(id, running);
  }
}
