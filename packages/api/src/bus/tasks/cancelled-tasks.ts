/** Ends the handlers of tasks that their handles cancel. */

import type { CallOptions } from '../../contract/call-options.ts';
import { BusbarError } from '../../contract/errors.ts';
import type { KvChange, KvWatch } from '../../contract/kv.ts';
import type { Delivery } from '../../contract/message.ts';
import { ChurnMap } from '../../driver-kit/churn.ts';
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

/** The cancelled tasks of one worker. */
export class CancelledTasks implements BusPart {
  readonly #runtime: BusRuntime;
  readonly #place: FailurePlace;
  /** By the id of the task. */
  readonly #requests = new Map<string, CancelRequest>();
  readonly #running = new ChurnMap<string, () => unknown>();
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
    void watch.ended.then((error) => {
      forget();
      if (error !== undefined) this.#runtime.report(error, this.#place);
    });
  }

  async close(): Promise<void> {
    await this.#watch?.close();
  }

  /** The value of `handle`, or {@link Cancelled} as soon as the task is cancelled. */
  run(delivery: Delivery, lease: DeliveryLease, handle: () => Promise<unknown>): Promise<unknown> {
    const { id, sentAt } = delivery;
    return new Promise((resolve, reject) => {
      const isCancelled = (): boolean => {
        const request = this.#requests.get(id);
        if (request?.sentAt !== sentAt) return false;
        const cancelled = new Cancelled(request.reason);
        lease.isCancelled = true;
        lease.abort(new BusbarError('ABORTED', cancelled.text));
        resolve(cancelled);
        return true;
      };
      if (isCancelled()) return;
      const forget = (): void => {
        if (this.#running.get(id) === isCancelled) this.#running.delete(id);
      };
      this.#running.set(id, isCancelled);
      handle().then(
        (value) => {
          forget();
          resolve(value);
        },
        (error: unknown) => {
          forget();
          reject(error);
        },
      );
    });
  }

  #onChanges(changes: readonly KvChange[]): void {
    for (const change of changes) {
      if (change.kind === 'synced') continue;
      const key = change.kind === 'put' ? change.entry.key : change.key;
      const id = key.slice(cancelKey('').length);
      if (change.kind === 'put') this.#requests.set(id, readCancelRequest(change.entry.value));
      else this.#requests.delete(id);
      this.#running.get(id)?.();
    }
  }
}
