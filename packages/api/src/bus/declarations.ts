/** What a live bus keeps in its store: it is declared again after the store was replaced or rolled back. */

import { BusbarError, isBusbarError } from '../contract/errors.ts';
import type { StoreReset, Transport } from '../contract/transport.ts';
import { backoffMs } from './consuming/backoff.ts';
import type { FailurePlace } from './observing/background-failure.ts';

/** Creates what it needs where that is missing. Idempotent. */
export type Declare = (reset: StoreReset) => Promise<unknown>;

/** `report` gets the loss, and the errors of declarations. */
type Report = (error: unknown, at: FailurePlace) => void;

const RETRY = { baseMs: 100, factor: 2, maxMs: 5000, jitter: 'full' } as const;

const LOSSES: Readonly<Record<StoreReset['cause'], string>> = {
  replaced: 'the store was replaced or cleared',
  'rolled-back': 'the store lost its latest writes',
  damaged: 'the store lost a part of its data',
};

/** The declarations of one bus: inboxes, identities, heartbeats, bindings, queue settings, reply queues. */
export class Declarations {
  readonly #report: Report;
  readonly #transport: string;
  readonly #all = new Map<Declare, FailurePlace>();
  #isClosed = false;
  #resets = 0;
  #last: StoreReset | undefined;

  constructor(transport: Transport, report: Report) {
    this.#report = report;
    this.#transport = transport.name;
    transport.onReset((reset) => this.#onReset(reset));
  }

  /** How often the store was reset. */
  get resets(): number {
    return this.#resets;
  }

  /**
   * Calls `declare` after each reset. Returns a function that ends this. Its failures are reported at `place`.
   * `since`: the resets before the first declaration. One that came during it may have undone it, so it is declared again.
   */
  add(place: FailurePlace, declare: Declare, since: number = this.#resets): () => void {
    this.#all.set(declare, place);
    if (this.#resets > since && this.#last !== undefined) void this.#redeclare(declare, this.#last);
    return () => void this.#all.delete(declare);
  }

  /** Declares nothing more. */
  close(): void {
    this.#isClosed = true;
    this.#all.clear();
  }

  #onReset(reset: StoreReset): void {
    if (this.#isClosed) return;
    this.#resets += 1;
    this.#last = reset;
    const what = LOSSES[reset.cause];
    const detail = reset.detail === undefined ? '' : `: ${reset.detail}`;
    const hint =
      'Mailboxes, bindings and presence of this bus are created again. What others sent is lost: see durability.';
    this.#report(new BusbarError('DATA_LOSS', what + detail, { transport: this.#transport, hint }), { kind: 'store' });
    for (const declare of this.#all.keys()) void this.#redeclare(declare, reset);
  }

  /** Repeats a declaration until it succeeds or is not needed any more. */
  async #redeclare(declare: Declare, reset: StoreReset): Promise<void> {
    for (let failures = 1; this.#all.has(declare); failures += 1) {
      try {
        await declare(reset);
        return;
      } catch (error) {
        if (isBusbarError(error) && error.code === 'CLOSED') return;
        if (failures === 1) this.#report(error, this.#all.get(declare) ?? { kind: 'store' });
      }
      await new Promise((resolve) => setTimeout(resolve, backoffMs(RETRY, failures)).unref?.());
    }
  }
}
