/** One transaction: the queues and counters it has loaded, and the changes that others wait for. */

import { checkGate, gateAt, gateClosed, isClosed, OPEN_GATE, type StoredGate } from '@busbar/api/driver';
import { type BusbarError, QUEUE_DEFAULTS, type QueueSettings } from '@busbar/api/transport';
import { findQueue, findQueueById, insertQueue, type QueueRow } from '../queues/queue-row.ts';
import { loadGate, releaseGate, type StoredNamespaceGate } from './namespace-gate.ts';
import { columnsOf } from './schema.ts';
import type { Statement, Store } from './store.ts';

const COUNTERS = ['messageHead', 'eventHead', 'revision', 'prunedChange', 'ephemeral', 'bindings', 'waiters'] as const;
const COLUMNS = columnsOf(COUNTERS);
const SELECT_COUNTERS = `SELECT ${COLUMNS.join()} FROM counter`;
const UPDATE_COUNTERS = `UPDATE counter SET ${COLUMNS.map((column) => `${column}=?`).join()}`;
/** A clock that is far ahead must not use up the exact integers: a revision is at most this, the year 2112 in µs. */
const MAX_TIME_US = 2 ** 52;

const NEVER_CHANGED: StoredNamespaceGate = { ...OPEN_GATE, stoppedAt: undefined };

/** Counters of the file. They only rise. */
export type Counters = Record<(typeof COUNTERS)[number], number>;

export class Transaction {
  readonly store: Store;
  /** Store time of the whole transaction. It is read under the lock, so it rises in the order of commits. */
  readonly time: number;
  /** The wall clock at that time, or slightly before. */
  readonly wallTime: number;
  /** Rows written so far. They bound the transaction. */
  rowCount = 0;
  /** Queues that were empty and now have a ready message, or have an earlier due time. */
  readonly readyQueues: Set<QueueRow> = new Set();
  /** Whether the gate was changed. */
  isGateChanged = false;
  /** Topics with new events. */
  readonly publishedTopics: Set<string> = new Set();
  /** Keys with a changed value. */
  readonly changedKeys: Set<string> = new Set();
  /** Keys of other namespaces that maintenance changed. */
  readonly changedForeignKeys: [ns: string, key: string][] = [];
  /** Other processes to wake after the commit. */
  readonly processesToWake: Set<string> = new Set();
  readonly #writes: boolean;
  readonly #memory = new Map<string, unknown>();
  readonly #afterCommit: (() => void)[] = [];
  readonly #queues = new Map<string, QueueRow | undefined>();
  readonly #queuesById = new Map<number, QueueRow | undefined>();
  #gate: StoredNamespaceGate | undefined;
  #counters: Counters | undefined;
  #loadedCounters = '';

  constructor(store: Store, writes = false) {
    this.store = store;
    this.#writes = writes;
    this.wallTime = Date.now();
    this.time = store.clock.now();
  }

  get ns(): string {
    return this.store.ns;
  }

  /** The time of the namespace: store time, which stands still while the gate is closed. */
  get now(): number {
    this.#gate ??= this.#loadGate();
    return this.#gate.stoppedAt ?? this.time;
  }

  /** The gate of the namespace. */
  get gate(): StoredGate {
    this.#gate ??= this.#loadGate();
    return gateAt(this.#gate, this.time);
  }

  /** Throws CONFLICT if the gate refuses a call that changes the namespace. */
  checkGate(gateRevision?: number): void {
    checkGate(this.gate, gateRevision);
  }

  /** The error of a call that changes the namespace, if the gate is closed. */
  refuseClosed(): BusbarError | undefined {
    return isClosed(this.gate) ? gateClosed(this.gate) : undefined;
  }

  /** The gate was changed: it is read again, and receives that wait are woken after the commit. */
  forgetGate(): void {
    this.#gate = undefined;
    this.isGateChanged = true;
  }

  sql<Row = unknown[]>(text: string): Statement<Row> {
    return this.store.sql(text);
  }

  exists(text: string, ...parameters: unknown[]): boolean {
    return this.store.exists(text, ...parameters);
  }

  value(text: string, ...parameters: unknown[]): unknown {
    return this.store.value(text, ...parameters);
  }

  queue(name: string): QueueRow | undefined {
    if (this.#queues.has(name)) return this.#queues.get(name);
    return this.#keep(name, findQueue(this.store, name));
  }

  /** The queue with this id, of any namespace: maintenance works on all of them. */
  queueById(id: number): QueueRow | undefined {
    if (this.#queuesById.has(id)) return this.#queuesById.get(id);
    const row = findQueueById(this.store, id);
    this.#queuesById.set(id, row);
    if (row?.ns === this.store.ns) this.#queues.set(row.name, row);
    return row;
  }

  /** The queue with this name, created with these settings if needed. */
  ensureQueue(name: string, settings: Required<QueueSettings> = QUEUE_DEFAULTS): QueueRow {
    const found = this.queue(name);
    if (found !== undefined) return found;
    insertQueue(this.store, name, settings, this.now);
    return this.#keep(name, findQueue(this.store, name)) as QueueRow;
  }

  /** Forgets a deleted queue, so that `flush` does not write it back. */
  forgetQueue(row: QueueRow): void {
    if (row.ns === this.store.ns) this.#queues.set(row.name, undefined);
    this.#queuesById.set(row.id, undefined);
    row.isChanged = false;
  }

  /** Forgets all queues of the namespace. */
  forgetQueues(): void {
    for (const row of [...this.#queuesById.values()]) if (row?.ns === this.store.ns) this.forgetQueue(row);
    this.#queues.clear();
  }

  counters(): Counters {
    this.#counters ??= this.#loadCounters();
    return this.#counters;
  }

  /** A new revision. It is higher than all before it, also those that a restored copy of the store does not know. */
  nextRevision(): number {
    const counters = this.counters();
    counters.revision = Math.max(counters.revision + 1, this.#timeUs());
    return counters.revision;
  }

  /** Takes consecutive numbers for events. Returns the first. They rise like revisions. */
  takeEventNumbers(count: number): number {
    const counters = this.counters();
    const first = Math.max(counters.eventHead + 1, this.#timeUs());
    counters.eventHead = first + count - 1;
    return first;
  }

  /** The sum of the counters as this transaction leaves them; undefined if it did not load them. */
  get counterSum(): number | undefined {
    const counters = this.#counters;
    return counters && counters.messageHead + counters.eventHead + counters.revision;
  }

  /** The result of `read`. A transaction that only reads calls it once per key: many subscribers share one read. */
  once<T>(key: string, read: () => T): T {
    if (this.#writes) return read();
    if (!this.#memory.has(key)) this.#memory.set(key, read());
    return this.#memory.get(key) as T;
  }

  /** Runs `work` after the commit and before any caller gets its result. */
  afterCommit(work: () => void): void {
    this.#afterCommit.push(work);
  }

  committed(): void {
    for (const work of this.#afterCommit) work();
  }

  /** Writes changed queues and counters back. The last step before the commit. */
  flush(): void {
    for (const row of this.#queuesById.values()) {
      if (row === undefined || !row.isChanged) continue;
      row.save(this.store);
      if ((row.readyBefore === 0 && row.ready > 0) || row.isDueEarlier) this.readyQueues.add(row);
    }
    const counters = this.#counters;
    if (counters === undefined || fingerprint(counters) === this.#loadedCounters) return;
    this.store.sql(UPDATE_COUNTERS).run(...COUNTERS.map((name) => counters[name]));
  }

  /** A transaction that writes also lets a gate whose time is over fall back. */
  #loadGate(): StoredNamespaceGate {
    const gate = loadGate(this.store, this.ns) ?? NEVER_CHANGED;
    if (!this.#writes || this.time < gate.until) return gate;
    releaseGate(this.store, this.ns, gate, this.time);
    this.isGateChanged = true;
    return loadGate(this.store, this.ns) ?? NEVER_CHANGED;
  }

  #timeUs(): number {
    const time = Math.max(this.now, Date.now()) * 1000;
    return time < MAX_TIME_US ? time : 0;
  }

  #keep(name: string, row: QueueRow | undefined): QueueRow | undefined {
    this.#queues.set(name, row);
    if (row !== undefined) this.#queuesById.set(row.id, row);
    return row;
  }

  #loadCounters(): Counters {
    const row = this.store.sql<number[]>(SELECT_COUNTERS).get() ?? [];
    const counters = Object.fromEntries(COUNTERS.map((name, index) => [name, row[index]])) as Counters;
    this.#loadedCounters = fingerprint(counters);
    return counters;
  }
}

function fingerprint(counters: Counters): string {
  return Object.values(counters).join();
}
