/** The parent's side of a load: what it told so far. */

import type { Seen } from '../recorder.ts';
import { type LoadNews, unpackError } from './protocol.ts';
import type { Load } from './remote-client.ts';

/** Collects the news of one load. */
export class RemoteLoad implements Load {
  readonly sent: string[] = [];
  readonly acked: string[] = [];
  readonly seen: Seen[] = [];
  slowestMs = 0;
  readonly over: Promise<void>;
  readonly #end: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #stop: () => Promise<unknown>;

  constructor(stop: () => Promise<unknown>) {
    this.#stop = stop;
    this.over = this.#end.promise;
    this.over.catch(() => undefined);
  }

  take({ sent = [], acked = [], seen = [], slowestMs = 0, over, error }: LoadNews): void {
    this.sent.push(...sent);
    this.acked.push(...acked);
    this.seen.push(...seen);
    this.slowestMs = Math.max(this.slowestMs, slowestMs);
    if (error !== undefined) this.#end.reject(unpackError(error));
    if (over) this.#end.resolve();
  }

  /** Its process is gone. */
  end(): void {
    this.#end.resolve();
  }

  async stop(): Promise<void> {
    await this.#stop();
    await this.over;
  }
}
