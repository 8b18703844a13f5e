/** Runs all operations of one event loop turn in one transaction. */

import { type CallContext, type StorePast, StoreWatch } from '@busbar/api/driver';
import { BusbarError, isBusbarError } from '@busbar/api/transport';
import { isBusy, isDiskFull, toStoreError } from '../errors.ts';
import type { CommitNotifier } from '../wakeup/notifier.ts';
import { DiskRoom } from './disk-room.ts';
import { type Operation, SingleOperation } from './operation.ts';
import type { Store } from './store.ts';
import { Transaction } from './transaction.ts';

/** A transaction ends after this many rows or milliseconds, so that the event loop and other processes get a turn. */
const MAX_ROWS = 500;
const MAX_MS = 5;
/** After meeting another writer, pause this long after each commit. Without it a process waited up to 1.5-4 s. */
const PAUSE_MS = 1;
const CONTENDED_FOR_MS = 100;
/** Fail calls that have not started this long before their deadline; later their outcome would be `unknown`. */
const MARGIN_MS = 10;
const CHECK_SIGNALS_AFTER_MS = 50;
/** Looking at all calls that wait takes as long as a failed attempt, so not each attempt does it. */
const CHECK_DEADLINES_EVERY_MS = 5;
const TRUNCATE_EVERY_MS = 1000;
/** Comparing all files takes 10 µs. After each commit only the main file is compared. */
const COMPARE_EVERY_MS = 20;

export class Batcher {
  readonly #store: Store;
  readonly #commits: CommitNotifier;
  /** Operations added so far. A caller that remembers the number can tell whether its operation is still the last. */
  addedCount = 0;
  /** Write transactions committed so far, and the time of the last one. */
  commitCount = 0;
  lastCommitAt = 0;
  #operations: Operation[] = [];
  /** How many of the next operations get a transaction of their own, since one of them broke the shared one. */
  #isolatedCount = 0;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #contendedUntil = 0;
  #notBefore = 0;
  #blockedSince = 0;
  #checkDeadlinesAt = 0;
  readonly #watch = new StoreWatch();
  readonly #room: DiskRoom;
  #comparedAt = performance.now();
  #truncatedAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(store: Store, commits: CommitNotifier) {
    this.#store = store;
    this.#commits = commits;
    this.#room = new DiskRoom(store);
    this.#watch.onReset((reset) => commits.reset.notify(reset));
    this.observe();
  }

  /** Whether the store is open. False while its file is gone and cannot be made again. */
  get isOpen(): boolean {
    return this.#store.isOpen;
  }

  /** What was last seen of the state of the store. */
  get past(): StorePast | undefined {
    return this.#watch.past;
  }

  /** Looks whether the store was cleared, replaced or rolled back by others. */
  observe(): void {
    if (this.#store.isOpen) this.#watch.observe(this.#store.past());
  }

  /** Runs `work`, which may write, in the next transaction. */
  write<T>(work: (tx: Transaction) => T, context?: CallContext): Promise<T> {
    return this.#promise(new SingleOperation('write', work, context));
  }

  /** Like `write`, for work that adds data: it is refused before the disk is full. */
  grow<T>(work: (tx: Transaction) => T, context?: CallContext): Promise<T> {
    return this.#promise(new SingleOperation('grow', work, context));
  }

  /** Runs `work`, which only reads, in the next transaction. */
  read<T>(work: (tx: Transaction) => T, context?: CallContext): Promise<T> {
    return this.#promise(new SingleOperation('read', work, context));
  }

  /** Like `read`, but does not wait behind operations that wait for the write lock. */
  readAhead<T>(work: (tx: Transaction) => T): Promise<T> {
    return this.#promise(new SingleOperation('read-ahead', work));
  }

  /** Runs `read` at once. Returns undefined if other operations come first or the store is locked. `read` must not write. */
  readNow<T>(read: (tx: Transaction) => T): T | undefined {
    if (this.#isClosed || this.#operations.length > 0 || !this.#store.isOpen) return undefined;
    try {
      return read(new Transaction(this.#store));
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw error;
    }
  }

  /** Opens the store again if another file is in its place. Resolves with false if there is none. */
  async isReady(): Promise<boolean> {
    const { files } = this.#store;
    if (files.isGone) return false;
    if (this.#store.isOpen && files.areInPlace()) {
      if (files.wasWritten()) this.#dropCache();
      return true;
    }
    this.#comparedAt = Number.NEGATIVE_INFINITY;
    await this.read(() => undefined);
    return true;
  }

  add(operation: Operation): void {
    if (this.#isClosed) {
      operation.failed(closed());
      return;
    }
    this.addedCount += 1;
    this.#operations.push(operation);
    this.#schedule();
  }

  /** Fails all open operations. Further ones fail at once. */
  close(): void {
    this.#isClosed = true;
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
    for (const operation of this.#operations.splice(0)) operation.failed(closed());
  }

  #promise<T>(operation: SingleOperation<T>): Promise<T> {
    this.add(operation);
    return operation.promise;
  }

  #schedule(): void {
    if (this.#immediate !== undefined || this.#timer !== undefined || this.#operations.length === 0) return;
    if (this.#notBefore > 0 && this.#notBefore > performance.now()) this.#runAfter(PAUSE_MS);
    else this.#immediate = setImmediate(() => this.#runBatch());
  }

  #runAfter(ms: number): void {
    this.#timer = setTimeout(() => this.#runBatch(), ms).unref();
  }

  #runBatch(): void {
    this.#immediate = undefined;
    this.#timer = undefined;
    let writes = false;
    try {
      if (!this.#isInPlace()) this.#reopen();
      writes = this.#makeRoom();
      this.#begin(writes);
    } catch (error) {
      this.#beginFailed(error, writes);
      return;
    }
    this.#blockedSince = 0;
    this.#run(writes);
    this.#schedule();
  }

  /** Whether the files of the store are those that were opened: writes to removed ones would be lost. */
  #isInPlace(): boolean {
    if (!this.#store.isOpen) return false;
    const now = performance.now();
    if (now - this.#comparedAt < COMPARE_EVERY_MS) return true;
    const isSame = this.#store.files.areInPlace();
    if (isSame) this.#comparedAt = now;
    return isSame;
  }

  /** SQLite trusts its cache until another process commits. A backup that was copied over the file does not commit. */
  #dropCache(): void {
    this.#store.db.pragma('shrink_memory');
    this.observe();
  }

  #reopen(): void {
    try {
      this.#store.reopen();
    } catch (error) {
      if (isBusy(error) || isBusbarError(error)) throw error;
      throw gone(error);
    }
    this.#comparedAt = performance.now();
    // What was read before may be different in the present file.
    this.#commits.rolledBack.notify();
    this.observe();
  }

  /** Fails the operations that add data if there is no room for them. Returns whether what is left writes. */
  #makeRoom(): boolean {
    if (!this.#operations.some(({ writes }) => writes)) return false;
    const refusal = this.#room.look(this.#operations.some(({ grows }) => grows));
    if (refusal === undefined) return true;
    const refused = this.#operations.filter(({ grows }) => grows);
    this.#operations = this.#operations.filter(({ grows }) => grows !== true);
    this.#fail(refused, refusal);
    return this.#operations.some(({ writes }) => writes);
  }

  #begin(writes: boolean): void {
    const { stackTraceLimit } = Error;
    // The stack is half of the time of a failed attempt.
    Error.stackTraceLimit = 0;
    try {
      this.#store.sql(writes ? 'BEGIN IMMEDIATE' : 'BEGIN').run();
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  }

  /** Another process holds the lock: runs what only reads, and retries the rest after a pause. */
  #beginFailed(error: unknown, writes: boolean): void {
    if (!isBusy(error)) {
      this.#fail(this.#operations.splice(0), error);
      return;
    }
    const now = performance.now();
    this.#contendedUntil = now + CONTENDED_FOR_MS;
    this.#blockedSince ||= now;
    if (writes) this.#runReads();
    // Random, so that processes do not collide again and again.
    const pause = Math.random() * maxPause(now - this.#blockedSince);
    if (now >= this.#checkDeadlinesAt) {
      this.#checkDeadlinesAt = now + CHECK_DEADLINES_EVERY_MS;
      this.#failLate(this.#checkDeadlinesAt + pause + MARGIN_MS);
    }
    if (this.#operations.length > 0) this.#runAfter(pause);
  }

  /** Runs the reads that do not have to wait for a write. */
  #runReads(): void {
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

  /** Fails calls whose deadline comes before the next attempt. */
  #failLate(next: number): void {
    const checksSignals = next - this.#blockedSince > CHECK_SIGNALS_AFTER_MS;
    this.#operations = this.#operations.filter((operation) => !operation.failLate(next, checksSignals, locked()));
  }

  /** Runs operations in order until the transaction is full, and commits. */
  #run(writes: boolean): void {
    const tx = new Transaction(this.#store, writes);
    const begun: Operation[] = [];
    const done: Operation[] = [];
    try {
      this.#step(tx, begun, done);
      if (writes) {
        tx.flush();
        this.#commits.beforeCommit.notify(tx);
      }
      this.#store.sql('COMMIT').run();
    } catch (error) {
      this.#rollBack();
      this.#runFailed(begun, error);
      return;
    }
    if (writes && !this.#store.files.isMainInPlace()) {
      // The file was removed before the commit: no caller has a result yet, so all runs again on the present file.
      this.#comparedAt = Number.NEGATIVE_INFINITY;
      this.#commits.rolledBack.notify();
      return;
    }
    this.#operations.splice(0, done.length);
    if (this.#isolatedCount > 0) this.#isolatedCount -= Math.min(this.#isolatedCount, Math.max(1, done.length));
    const now = performance.now();
    if (writes) {
      this.#watch.confirm(tx.counterSum ?? 0);
      this.commitCount += 1;
      this.lastCommitAt = now;
    }
    this.#notBefore = writes && now < this.#contendedUntil ? now + PAUSE_MS : 0;
    tx.committed();
    for (const operation of begun) operation.committed();
    if (writes) this.#commits.committed.notify(tx);
  }

  #step(tx: Transaction, begun: Operation[], done: Operation[]): void {
    const until = performance.now() + MAX_MS;
    for (const operation of this.#operations) {
      begun.push(operation);
      if (!operation.step(tx)) return;
      done.push(operation);
      if (this.#isolatedCount > 0 || tx.rowCount >= MAX_ROWS || performance.now() >= until) return;
    }
  }

  /**
   * The transaction was rolled back before any caller got a result. Its operations run again, each in a transaction of its
   * own: an operation that fails alone has failed, and none fails because of another.
   */
  #runFailed(begun: Operation[], error: unknown): void {
    if (isDiskFull(error) && (this.#room.release() || this.#truncateLog())) {
      this.#isolatedCount = Math.max(this.#isolatedCount, begun.length);
      return;
    }
    if (isBusy(error)) return;
    if (begun.length > 1) {
      this.#isolatedCount = Math.max(this.#isolatedCount, begun.length);
      return;
    }
    const [failed] = begun;
    const rest = this.#operations.filter((operation) => operation !== failed);
    const calls = failed?.split?.() ?? [];
    this.#operations = calls.length > 1 ? [...calls, ...rest] : rest;
    if (calls.length > 1) this.#isolatedCount += calls.length;
    else failed?.failed(toStoreError(error, isUncertain(error) ? { outcome: 'unknown' } : {}));
  }

  /** On a full disk, truncating the WAL may free space. Returns true if it was tried and a retry makes sense. */
  #truncateLog(): boolean {
    const now = performance.now();
    if (now - this.#truncatedAt < TRUNCATE_EVERY_MS) return false;
    this.#truncatedAt = now;
    try {
      this.#store.db.pragma('wal_checkpoint(TRUNCATE)');
      return true;
    } catch {
      return false;
    }
  }

  #rollBack(): void {
    if (this.#store.db.inTransaction) this.#store.sql('ROLLBACK').run();
    this.#commits.rolledBack.notify();
  }

  #fail(operations: Operation[], error: unknown): void {
    for (const operation of operations) operation.failed(toStoreError(error));
  }
}

/**
 * The longest pause before the next attempt to get the lock. A process that has waited long retries more often than a new
 * one: with 8 writers and synced commits the slowest send took 50 ms instead of 95. After a second the lock is stuck, and
 * retries become rarer.
 */
function maxPause(blockedMs: number): number {
  if (blockedMs > 1000) return 8;
  return blockedMs > 25 ? 1 : 4;
}

/** A failed sync may have reached the disk in part. */
function isUncertain(error: unknown): boolean {
  return String((error as { code?: unknown }).code ?? '').startsWith('SQLITE_IOERR');
}

function locked(): BusbarError {
  return new BusbarError('UNAVAILABLE', 'another process kept the store locked until the deadline', {
    hint: 'Look for a process that is stopped or stuck while it writes; the call is safe to repeat.',
  });
}

function gone(cause: unknown): BusbarError {
  return new BusbarError('UNAVAILABLE', 'the file of the store was removed and cannot be made again', {
    hint: 'Check its folder. This call stored nothing; the store is opened again as soon as that is possible.',
    cause,
  });
}

function closed(): BusbarError {
  return new BusbarError('CLOSED', 'the transport is closed', { hint: 'Open a new one.' });
}
