/** The turn-taking of a transport: what is asked for in one turn of the event loop shares one transaction. */

import type { CallContext } from '@busbar/api/driver';
import { BusbarError } from '@busbar/api/transport';
import { isBusy, isFull, toStoreError } from '../errors.ts';
import { type Operation, Work } from './operation.ts';
import type { Store } from './store.ts';
import { Transaction } from './transaction.ts';

/** Who is told of transactions. */
export interface Witness {
  /** All is written; the last moment to read what the commit will need. */
  beforeCommit(transaction: Transaction): void;
  committed(transaction: Transaction): void;
  rolledBack(): void;
}

/** A transaction ends after so many rows or milliseconds, so that the event loop and other processes get their turn. */
const MAX_ROWS = 500;
const MAX_MS = 5;
/** Having met another writer, pause this long after each commit for a while: no process starves (worst wait 1.5-4 s without). */
const PAUSE_MS = 1;
const CONTENDED_FOR_MS = 100;
/** How long before its deadline a call that never began is told so at least: after it, it counts as unknown. */
const MARGIN_MS = 10;
const LOOK_AT_SIGNALS_AFTER_MS = 50;
const RELIEVE_EVERY_MS = 1000;
/** Comparing files takes 3 µs. */
const COMPARE_EVERY_MS = 500;

export class Batcher {
  readonly #store: Store;
  readonly #witness: Witness;
  /** How many operations were ever added: who added the last one can tell whether it still is the last. */
  added = 0;
  /** How many transactions were written, and when the last one was. */
  committed = 0;
  committedAt = 0;
  #operations: Operation[] = [];
  /** How many of the next operations get a transaction of their own, since one of them broke the shared one. */
  #alone = 0;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #contendedUntil = 0;
  #notBefore = 0;
  #blockedSince = 0;
  #comparedAt = performance.now();
  #relievedAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(store: Store, witness: Witness) {
    this.#store = store;
    this.#witness = witness;
  }

  /** Does `work`, which may write, in the next transaction. */
  write<T>(work: (transaction: Transaction) => T, context?: CallContext): Promise<T> {
    return new Promise((resolve, reject) => this.add(new Work(true, work, context, resolve, reject)));
  }

  /** Does `work`, which only reads, in the next transaction. */
  read<T>(work: (transaction: Transaction) => T, context?: CallContext): Promise<T> {
    return new Promise((resolve, reject) => this.add(new Work(false, work, context, resolve, reject)));
  }

  /** The same, without waiting for what was asked for before when that waits for a lock. */
  readAhead<T>(work: (transaction: Transaction) => T): Promise<T> {
    return new Promise((resolve, reject) => this.add(new Work(false, work, undefined, resolve, reject, true)));
  }

  /**
   * What `look` sees now, without waiting for a turn; undefined when something is to be done before. It must not write.
   */
  glance<T>(look: (transaction: Transaction) => T): T | undefined {
    if (this.#isClosed || this.#operations.length > 0) return undefined;
    try {
      return look(new Transaction(this.#store));
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw error;
    }
  }

  add(operation: Operation): void {
    if (this.#isClosed) {
      operation.failed(closed());
      return;
    }
    this.added += 1;
    this.#operations.push(operation);
    this.#schedule();
  }

  /** Ends it: nothing more is done. */
  close(): void {
    this.#isClosed = true;
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
    for (const operation of this.#operations.splice(0)) operation.failed(closed());
  }

  #schedule(): void {
    if (this.#immediate !== undefined || this.#timer !== undefined || this.#operations.length === 0) return;
    if (this.#notBefore > 0 && this.#notBefore > performance.now()) this.#after(PAUSE_MS);
    else this.#immediate = setImmediate(() => this.#turn());
  }

  #after(ms: number): void {
    this.#timer = setTimeout(() => this.#turn(), ms);
  }

  #turn(): void {
    this.#immediate = undefined;
    this.#timer = undefined;
    if (this.#isReplaced()) {
      this.#fail(this.#operations.splice(0), replaced());
      return;
    }
    const writes = this.#operations.some((operation) => operation.writes);
    try {
      this.#begin(writes);
    } catch (error) {
      this.#notBegun(error, writes);
      return;
    }
    this.#blockedSince = 0;
    this.#run(writes);
    this.#schedule();
  }

  /** Whether another file is there by now: what is written to the one that went away would be lost. */
  #isReplaced(): boolean {
    const now = performance.now();
    if (now - this.#comparedAt < COMPARE_EVERY_MS) return false;
    const isSame = this.#store.isInPlace();
    if (isSame) this.#comparedAt = now;
    return !isSame;
  }

  #begin(writes: boolean): void {
    this.#store.sql(writes ? 'BEGIN IMMEDIATE' : 'BEGIN').run();
  }

  /** The lock is another's: reads go ahead, the rest comes again. */
  #notBegun(error: unknown, writes: boolean): void {
    if (!isBusy(error)) {
      this.#fail(this.#operations.splice(0), error);
      return;
    }
    const now = performance.now();
    this.#contendedUntil = now + CONTENDED_FOR_MS;
    this.#blockedSince ||= now;
    if (writes) this.#runAhead();
    // Random, so that several processes do not meet again and again.
    const pause = Math.random() * retryWithin(now - this.#blockedSince);
    this.#giveUpLate(now + pause + MARGIN_MS);
    if (this.#operations.length > 0) this.#after(pause);
  }

  /** Runs what reads and does not have to wait for a write. */
  #runAhead(): void {
    const firstWrite = this.#operations.findIndex((operation) => operation.writes);
    const isAhead = (operation: Operation, index: number): boolean =>
      index < firstWrite || operation.overtakes === true;
    const ahead = this.#operations.filter(isAhead);
    if (ahead.length === 0) return;
    const rest = this.#operations.filter((operation, index) => !isAhead(operation, index));
    this.#operations = ahead;
    try {
      this.#begin(false);
      this.#run(false);
    } catch (error) {
      if (!isBusy(error)) this.#fail(this.#operations.splice(0), error);
    }
    this.#operations.push(...rest);
  }

  /** Fails what cannot be begun again before its time is up. */
  #giveUpLate(next: number): void {
    const looksAtSignals = next - this.#blockedSince > LOOK_AT_SIGNALS_AFTER_MS;
    this.#operations = this.#operations.filter((operation) => !operation.giveUpLate(next, looksAtSignals, locked()));
  }

  /** Runs operations in order until the transaction is full, and commits. */
  #run(writes: boolean): void {
    const transaction = new Transaction(this.#store, writes);
    const begun: Operation[] = [];
    const done: Operation[] = [];
    try {
      this.#step(transaction, begun, done);
      if (writes) {
        transaction.flush();
        this.#witness.beforeCommit(transaction);
      }
      this.#store.sql('COMMIT').run();
    } catch (error) {
      this.#rollBack();
      this.#broken(begun, error);
      return;
    }
    this.#operations.splice(0, done.length);
    if (this.#alone > 0) this.#alone -= Math.min(this.#alone, Math.max(1, done.length));
    const now = performance.now();
    if (writes) {
      this.committed += 1;
      this.committedAt = now;
    }
    this.#notBefore = writes && now < this.#contendedUntil ? now + PAUSE_MS : 0;
    transaction.committed();
    for (const operation of begun) operation.committed();
    if (writes) this.#witness.committed(transaction);
  }

  #step(transaction: Transaction, begun: Operation[], done: Operation[]): void {
    const until = performance.now() + MAX_MS;
    for (const operation of this.#operations) {
      begun.push(operation);
      if (!operation.step(transaction)) return;
      done.push(operation);
      if (this.#alone > 0 || transaction.work >= MAX_ROWS || performance.now() >= until) return;
    }
  }

  /**
   * The transaction did not come to be. Nothing was told to anybody yet, so all of it is done again, each operation
   * alone: none fails for another's fault, and one that fails alone has failed.
   */
  #broken(begun: Operation[], error: unknown): void {
    if (isFull(error) && this.#relieve()) {
      this.#alone = Math.max(this.#alone, begun.length);
      return;
    }
    if (isBusy(error)) return;
    if (begun.length > 1) {
      this.#alone = Math.max(this.#alone, begun.length);
      return;
    }
    const [culprit] = begun;
    const rest = this.#operations.filter((operation) => operation !== culprit);
    const parts = culprit?.split?.() ?? [];
    this.#operations = parts.length > 1 ? [...parts, ...rest] : rest;
    if (parts.length > 1) this.#alone += parts.length;
    else culprit?.failed(toStoreError(error, isUncertain(error) ? { outcome: 'unknown' } : {}));
  }

  /** A full disk may have room in the WAL: true when that was looked after, so that trying again may do. */
  #relieve(): boolean {
    const now = performance.now();
    if (now - this.#relievedAt < RELIEVE_EVERY_MS) return false;
    this.#relievedAt = now;
    try {
      this.#store.db.pragma('wal_checkpoint(TRUNCATE)');
      return true;
    } catch {
      return false;
    }
  }

  #rollBack(): void {
    if (this.#store.db.inTransaction) this.#store.sql('ROLLBACK').run();
    this.#witness.rolledBack();
  }

  #fail(operations: Operation[], error: unknown): void {
    for (const operation of operations) operation.failed(toStoreError(error));
  }
}

/**
 * The longest pause before the lock is tried again. Who has waited for long tries more often than who has just come: of 8
 * writers with synced commits the slowest send took 50 ms instead of 95. A lock kept for a second is its holder's fault.
 */
function retryWithin(blockedMs: number): number {
  if (blockedMs > 1000) return 8;
  return blockedMs > 25 ? 1 : 4;
}

/** A sync that failed may have reached the disk in part. */
function isUncertain(error: unknown): boolean {
  return String((error as { code?: unknown }).code ?? '').startsWith('SQLITE_IOERR');
}

function locked(): BusbarError {
  return new BusbarError('UNAVAILABLE', 'another process kept the store locked until the time was up', {
    hint: 'Look for a process that is stopped or stuck while it writes; the call is safe to repeat.',
  });
}

function replaced(): BusbarError {
  return new BusbarError('UNAVAILABLE', 'the file of the store was moved, deleted or replaced while it was open', {
    hint: 'Put it back or open the store again; nothing of this call was stored.',
    retryable: false,
  });
}

function closed(): BusbarError {
  return new BusbarError('CLOSED', 'the transport is closed', { hint: 'Open a new one.' });
}
