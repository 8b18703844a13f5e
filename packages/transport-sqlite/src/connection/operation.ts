/** An operation on the store: work inside a transaction, repeated when the transaction is rolled back. */

import type { CallContext } from '@busbar/api/driver';
import { type BusbarError, isBusbarError } from '@busbar/api/transport';
import type { Transaction } from './transaction.ts';

/** Work inside a transaction. */
export interface Operation {
  readonly writes: boolean;
  /** Whether it adds data, so that it needs room on the disk. */
  readonly grows?: boolean;
  /** Whether it may run while earlier operations wait for the write lock. Streams use it. */
  readonly overtakes?: boolean;
  /**
   * Does a bounded part of the work. Returns true after the last part. It changes nothing but the database, since it runs
   * again after a rollback. It throws only before its first write.
   */
  step(tx: Transaction): boolean;
  /** The work since the last call is stored. */
  committed(): void;
  /** The operation failed. Nothing since the last commit is stored, unless the outcome of `error` is `unknown`. */
  failed(error: BusbarError): void;
  /** Fails calls whose deadline is before `now` or whose signal is aborted. Returns true when no call is left. */
  failLate(now: number, checksSignals: boolean, error: BusbarError): boolean;
  /** The calls of this operation as operations of their own, so that none fails because of another. */
  split?(): Operation[];
}

/** One piece of work with a promise. */
export class SingleOperation<T> implements Operation {
  readonly writes: boolean;
  readonly grows: boolean;
  readonly overtakes: boolean;
  readonly #work: (tx: Transaction) => T;
  readonly #context: CallContext | undefined;
  readonly #done = Promise.withResolvers<T>();
  #value: T | undefined;
  #error: BusbarError | undefined;

  constructor(kind: 'write' | 'grow' | 'read' | 'read-ahead', work: (tx: Transaction) => T, context?: CallContext) {
    this.grows = kind === 'grow';
    this.writes = this.grows || kind === 'write';
    this.overtakes = kind === 'read-ahead';
    this.#work = work;
    this.#context = context;
  }

  get promise(): Promise<T> {
    return this.#done.promise;
  }

  step(tx: Transaction): boolean {
    try {
      this.#value = this.#work(tx);
      this.#error = undefined;
    } catch (error) {
      // A BusbarError is thrown before any write. A SQLite error may come after one, so the transaction rolls back.
      if (!isBusbarError(error)) throw error;
      this.#error = error;
    }
    return true;
  }

  committed(): void {
    if (this.#error === undefined) this.#done.resolve(this.#value as T);
    else this.#done.reject(this.#error);
  }

  failed(error: BusbarError): void {
    this.#done.reject(error);
  }

  failLate(now: number, checksSignals: boolean, error: BusbarError): boolean {
    if (this.#context === undefined || !isLate(this.#context, now, checksSignals)) return false;
    this.#done.reject(error);
    return true;
  }
}

/** Whether a call is past its deadline or aborted. Reading the signal creates it, so the signal is checked late. */
export function isLate(context: CallContext, now: number, checksSignals: boolean): boolean {
  return context.deadline <= now || (checksSignals && context.signal.aborted);
}
