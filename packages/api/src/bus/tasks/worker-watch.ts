/** Watches of entries that a worker follows until it is closed. */

import type { CallOptions } from '../../contract/call-options.ts';
import type { KvChange, KvWatch } from '../../contract/kv.ts';
import { keepAliveDuring } from '../../driver-kit/keep-alive.ts';
import type { FailurePlace } from '../observing/background-failure.ts';
import type { BusRuntime } from '../runtime.ts';
import type { BusPart } from '../shutdown.ts';

/** A change of one entry. */
export type EntryChange = Exclude<KvChange, { readonly kind: 'synced' }>;

/** One watch. Its failure is reported. */
export class WorkerWatch implements BusPart {
  readonly #runtime: BusRuntime;
  readonly #place: FailurePlace;
  readonly #onChange: (change: EntryChange) => void;
  readonly #synced = Promise.withResolvers<void>();
  #watch: Promise<KvWatch> | undefined;
  #isSynced = false;

  constructor(runtime: BusRuntime, place: FailurePlace, onChange: (change: EntryChange) => void) {
    this.#runtime = runtime;
    this.#place = place;
    this.#onChange = onChange;
  }

  /** Whether all entries that were present were passed on. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Resolves when present entries were passed on. Later changes follow. */
  async open(prefix: string, bounds: CallOptions | undefined): Promise<void> {
    const { kv } = this.#runtime.transport;
    const options = { ...bounds, keepsAlive: false };
    this.#watch = kv.watch(prefix, (changes) => this.#onChanges(changes), options);
    const watch = await this.#watch;
    const forget = this.#runtime.shutdown.add('services', this);
    const ended = watch.ended.then((error) => {
      forget();
      if (error !== undefined) this.#runtime.report(error, this.#place);
    });
    await keepAliveDuring(Promise.race([this.#synced.promise, ended]));
  }

  async close(): Promise<void> {
    const watch = await this.#watch?.catch(() => undefined);
    await watch?.close();
  }

  #onChanges(changes: readonly KvChange[]): void {
    for (const change of changes) {
      if (change.kind === 'synced') {
        this.#isSynced = true;
        this.#synced.resolve();
      } else this.#onChange(change);
    }
  }
}
