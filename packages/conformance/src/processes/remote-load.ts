/** The parent's side of a load: the progress reported so far. */

import type { Seen } from '../context/recorder.ts';
import { type LoadNews, unpackError } from './protocol.ts';
import type { Load } from './remote-client.ts';

/** Collects the progress of one load. Its getters throw after a call of the load has failed. */
export class RemoteLoad implements Load {
  readonly over: Promise<void>;
  readonly #sent: string[] = [];
  readonly #acked: string[] = [];
  readonly #seen: Seen[] = [];
  readonly #end: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #stop: () => Promise<unknown>;
  #slowestMs = 0;
  #error: Error | undefined;

  constructor(stop: () => Promise<unknown>) {
    this.#stop = stop;
    this.over = this.#end.promise;
    this.over.catch(() => undefined);
  }

  get sent(): readonly string[] {
    return this.#sound(this.#sent);
  }

  get acked(): readonly string[] {
    return this.#sound(this.#acked);
  }

  get seen(): readonly Seen[] {
    return this.#sound(this.#seen);
  }

  get slowestMs(): number {
    return this.#sound(this.#slowestMs);
  }

  take({ sent = [], acked = [], seen = [], slowestMs = 0, over, error }: LoadNews): void {
    this.#sent.push(...sent);
    this.#acked.push(...acked);
    this.#seen.push(...seen);
    this.#slowestMs = Math.max(this.#slowestMs, slowestMs);
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
