/** Shows in the log that this process lives, and elects the process that looks into the store. */

import type { WorkFailures } from '@busbar/api/driver';
import type { Transport } from '@busbar/api/transport';
import { ALIVE, OBSERVER } from './record.ts';

/** What an elected process does. */
export interface Duty {
  /** The process is elected. */
  begin(log: Transport): Promise<void>;
  /** Runs at each tick while it is elected. */
  look(log: Transport): Promise<void>;
  /** It is no longer elected, or closes. */
  end(): Promise<void>;
}

/** Options of a {@link LogPresence}. */
export interface LogPresenceOptions {
  readonly process: string;
  readonly log: () => Transport | undefined;
  readonly lookMs: number;
  readonly duty: Duty;
  /** Gets the first failure after each tick that succeeded. */
  readonly failures: WorkFailures;
}

const NOTHING = new Uint8Array();
/** A process shows within this time that it lives. One that ends sooner leaves no key behind. */
const FIRST_MS = 1_000;
/** Ticks that a key outlasts. */
const TICKS = 4;
const CALL_MS = 5_000;

/** Two keys of the log, renewed at each tick. */
export class LogPresence {
  readonly #options: LogPresenceOptions;
  #timer: NodeJS.Timeout;
  #ticking: Promise<void> | undefined;
  #isAlive = false;
  /** The `createRevision` of the lock, while this process is elected. */
  #lock: number | undefined;
  #isClosed = false;
  #hasFailed = false;

  constructor(options: LogPresenceOptions) {
    this.#options = options;
    this.#timer = this.#tickAfter(Math.min(FIRST_MS, options.lookMs));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#ticking;
    if (this.#lock !== undefined) await this.#options.duty.end();
    const log = this.#options.log();
    if (log === undefined || log.state !== 'open') return;
    const keys = [...(this.#isAlive ? [this.#aliveKey] : []), ...(this.#lock === undefined ? [] : [OBSERVER])];
    // What fails expires.
    await Promise.allSettled(keys.map((key) => log.kv.delete(key, { timeoutMs: FIRST_MS })));
  }

  get #aliveKey(): string {
    return ALIVE + this.#options.process;
  }

  #tickAfter(ms: number): NodeJS.Timeout {
    const tick = (): void => {
      this.#ticking = this.#tickSafely().finally(() => {
        this.#ticking = undefined;
        if (!this.#isClosed) this.#timer = this.#tickAfter(this.#options.lookMs);
      });
    };
    return setTimeout(tick, ms).unref();
  }

  /** The next tick tries again. */
  async #tickSafely(): Promise<void> {
    try {
      await this.#tick();
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#isClosed && !this.#hasFailed) this.#options.failures.report('audit observer', error);
      this.#hasFailed = true;
    }
  }

  async #tick(): Promise<void> {
    const log = this.#options.log();
    if (log === undefined || log.state !== 'open') return;
    const ttlMs = TICKS * this.#options.lookMs;
    this.#isAlive = true;
    await log.kv.put(this.#aliveKey, NOTHING, { ttlMs, timeoutMs: CALL_MS });
    if (await this.#isElected(log, ttlMs)) await this.#options.duty.look(log);
  }

  async #isElected(log: Transport, ttlMs: number): Promise<boolean> {
    const { duty } = this.#options;
    if (this.#lock !== undefined) {
      const [touched] = await log.kv.touch([{ key: OBSERVER, ttlMs, createRevision: this.#lock }], {
        timeoutMs: CALL_MS,
      });
      if (touched?.status === 'touched') return true;
      this.#lock = undefined;
      await duty.end();
    }
    const put = await log.kv.put(OBSERVER, NOTHING, { ttlMs, ifRevision: 0, timeoutMs: CALL_MS });
    if (put.status !== 'stored') return false;
    await duty.begin(log);
    this.#lock = put.createRevision;
    return true;
  }
}
