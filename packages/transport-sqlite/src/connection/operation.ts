/** What is asked of a store: something to be done within a transaction, again when that does not come to be. */

import type { CallContext } from '@busbar/api/driver';
import { type BusbarError, isBusbarError } from '@busbar/api/transport';
import type { Transaction } from './transaction.ts';

/** Something to do within a transaction. */
export interface Operation {
  readonly writes: boolean;
  /** Whether it may be done while what was asked for before waits for a lock: streams do not wait for their owner. */
  readonly overtakes?: boolean;
  /**
   * Does a bounded part of its work, and says whether that was the last. It changes nothing but the database: it is run
   * again when the transaction does not come to be. It throws only before it has written anything.
   */
  step(transaction: Transaction): boolean;
  /** What it did since the last time is stored. */
  committed(): void;
  /** It cannot be done: nothing since the last commit is stored, or `error` says that this is not known. */
  failed(error: BusbarError): void;
  /** Fails what of it nobody waits for any more, or not much longer. True when nothing is left. */
  giveUpLate(now: number, looksAtSignals: boolean, error: BusbarError): boolean;
  /** What it is made of, so that one part does not fail for another's fault. */
  split?(): Operation[];
}

/** A single piece of work with a promise. */
export class Work<T> implements Operation {
  readonly writes: boolean;
  readonly overtakes: boolean;
  readonly #context: CallContext | undefined;
  readonly #work: (transaction: Transaction) => T;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: BusbarError) => void;
  #value: T | undefined;
  #error: BusbarError | undefined;

  constructor(
    writes: boolean,
    work: (transaction: Transaction) => T,
    context: CallContext | undefined,
    resolve: (value: T) => void,
    reject: (error: BusbarError) => void,
    overtakes = false,
  ) {
    this.writes = writes;
    this.overtakes = overtakes;
    this.#context = context;
    this.#work = work;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  step(transaction: Transaction): boolean {
    try {
      this.#value = this.#work(transaction);
      this.#error = undefined;
    } catch (error) {
      // Our own refusals come before any effect; what SQLite throws may come in the middle and breaks the transaction.
      if (!isBusbarError(error)) throw error;
      this.#error = error;
    }
    return true;
  }

  committed(): void {
    if (this.#error === undefined) this.#resolve(this.#value as T);
    else this.#reject(this.#error);
  }

  failed(error: BusbarError): void {
    this.#reject(error);
  }

  giveUpLate(now: number, looksAtSignals: boolean, error: BusbarError): boolean {
    if (this.#context === undefined || !isLate(this.#context, now, looksAtSignals)) return false;
    this.#reject(error);
    return true;
  }
}

/** Whether nobody waits for a call any more, or not much longer. Asking for its signal makes one, so that is not done at once. */
export function isLate(context: CallContext, now: number, looksAtSignals: boolean): boolean {
  return context.deadline <= now || (looksAtSignals && context.signal.aborted);
}
