/** A load in another process: the progress reported so far. */

import type { RecordedDelivery } from '../context/recorder.ts';
import { type LoadProgress, type TimedCall, unpackError } from './protocol.ts';

/** Collects the progress of one load. Its getters throw after a call of the load has failed. */
export class RemoteLoad {
  /** Resolves when the load is complete, stopped, or its process has ended. Rejects if a call failed. */
  readonly over: Promise<void>;
  readonly #sent: string[] = [];
  readonly #acked: string[] = [];
  readonly #deliveries: RecordedDelivery[] = [];
  readonly #calls: TimedCall[] = [];
  readonly #end: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #stop: () => Promise<unknown>;
  #error: Error | undefined;

  constructor(stop: () => Promise<unknown>) {
    this.#stop = stop;
    this.over = this.#end.promise;
    this.over.catch(() => undefined);
  }

  /** Ids of acknowledged sends reported so far. */
  get sent(): readonly string[] {
    return this.#sound(this.#sent);
  }

  /** The same, also after a call of the load has failed. */
  get sentBeforeFailure(): readonly string[] {
    return this.#sent;
  }

  /** Ids of acknowledged acks reported so far. */
  get acked(): readonly string[] {
    return this.#sound(this.#acked);
  }

  get seen(): readonly RecordedDelivery[] {
    return this.#sound(this.#deliveries);
  }

  /** Sends and acks so far. */
  get calls(): readonly TimedCall[] {
    return this.#sound(this.#calls);
  }

  take({ sent = [], acked = [], seen = [], calls = [], over, error }: LoadProgress): void {
    this.#sent.push(...sent);
    this.#acked.push(...acked);
    this.#deliveries.push(...seen);
    this.#calls.push(...calls);
    if (error !== undefined) {
      this.#error = unpackError(error);
      this.#end.reject(this.#error);
    }
    if (over) this.#end.resolve();
  }

  /** Called when its process has ended. */
  end(): void {
    this.#end.resolve();
  }

  async stop(): Promise<void> {
    await this.#stop();
    await this.over;
  }

  #sound<T>(value: T): T {
    if (this.#error !== undefined) throw this.#error;
    return value;
  }
}
