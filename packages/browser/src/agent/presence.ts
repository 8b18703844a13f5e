/** The presence of the page's agent: an entry with a time to live that is renewed while the page is open. */

import { presenceKey } from '@busbar/api/parts';
import { newId } from '@busbar/api/transport';
import type { PageCore } from '../page-core.ts';

/** Two renewals per time to live, so that one may be lost. */
const INTERVAL_PER_TTL = 0.4;
const CLEANUP_MS = 2_000;
const encoder = new TextEncoder();

/** The events of a page that is left and shown again. Other runtimes have none. */
const page = globalThis as Partial<Pick<EventTarget, 'addEventListener' | 'removeEventListener'>>;

export class Presence {
  readonly #core: PageCore;
  readonly #key: string;
  readonly #instance = newId();
  readonly #since = Date.now();
  readonly #load: () => number;
  readonly #timer: ReturnType<typeof setInterval>;

  /** Renews it from now on. `load` tells how many handlers run. */
  constructor(core: PageCore, agent: string, load: () => number) {
    this.#core = core;
    this.#key = presenceKey(agent, this.#instance);
    this.#load = load;
    this.#timer = setInterval(this.#onTime, core.settings.presenceTtlMs * INTERVAL_PER_TTL);
    page.addEventListener?.('pagehide', this.#onHidden);
    page.addEventListener?.('pageshow', this.#onTime);
  }

  /** Writes it. */
  async write(): Promise<void> {
    const { capabilities, maxConcurrent: limit, presenceTtlMs: ttlMs } = this.#core.settings;
    const value = { instance: this.#instance, capabilities, load: this.#load(), limit, since: this.#since };
    await this.#core.store.kv.put(this.#key, encoder.encode(JSON.stringify(value)), { ttlMs });
  }

  /** Ends it. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    page.removeEventListener?.('pagehide', this.#onHidden);
    page.removeEventListener?.('pageshow', this.#onTime);
    await this.#delete();
  }

  readonly #onTime = (): void => {
    this.write().catch((error: unknown) => this.#core.report(error));
  };

  readonly #onHidden = (): void => {
    this.#delete().catch(() => undefined);
  };

  async #delete(): Promise<void> {
    await this.#core.store.kv.delete(this.#key, { timeoutMs: CLEANUP_MS });
  }
}
