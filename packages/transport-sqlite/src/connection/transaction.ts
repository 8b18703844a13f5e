/** One transaction: the rows that it has loaded, what it changed, and what of that others wait for. */

import { QUEUE_DEFAULTS, type QueueSettings } from '@busbar/api/transport';
import { findQueue, findQueueById, insertQueue, type QueueRow } from '../queues/queue-row.ts';
import type { Store } from './store.ts';

/** Counters that never go back. */
export interface Counter {
  jobHead: number;
  logHead: number;
  revision: number;
  tombstones: number;
  ephemeral: number;
  bindings: number;
  listeners: number;
}

export class Transaction {
  readonly store: Store;
  /** Store time, one for the whole transaction; read after the lock was taken, so it rises with the order of commits. */
  readonly now: number;
  /** Rows written so far: what bounds the transaction. */
  work = 0;
  /** Queues that have something ready, or due earlier, where there was nothing. */
  readonly queuesWoken: Set<QueueRow> = new Set();
  /** Topics that have new events. */
  readonly topics: Set<string> = new Set();
  /** Keys of entries that changed. */
  readonly keys: Set<string> = new Set();
  /** Entries of other namespaces changed, by sweeping. */
  readonly foreignKeys: [ns: string, key: string][] = [];
  /** Bells of other processes to ring. */
  readonly rings: Set<string> = new Set();
  readonly #writes: boolean;
  readonly #memory = new Map<string, unknown>();
  readonly #afterCommit: (() => void)[] = [];
  readonly #queues = new Map<string, QueueRow | undefined>();
  readonly #queuesById = new Map<number, QueueRow | undefined>();
  #counter: Counter | undefined;
  #counterBefore = '';

  constructor(store: Store, writes = false) {
    this.store = store;
    this.#writes = writes;
    this.now = store.clock.now();
  }

  queue(name: string): QueueRow | undefined {
    if (this.#queues.has(name)) return this.#queues.get(name);
    return this.#remember(name, findQueue(this.store, name));
  }

  /** The queue of this id, of whatever namespace: sweeping is done for all. */
  queueById(id: number): QueueRow | undefined {
    if (this.#queuesById.has(id)) return this.#queuesById.get(id);
    const row = findQueueById(this.store, id);
    this.#queuesById.set(id, row);
    if (row?.ns === this.store.ns) this.#queues.set(row.name, row);
    return row;
  }

  /** The queue of this name, made with these settings where it is not there. */
  ensureQueue(name: string, settings: Required<QueueSettings> = QUEUE_DEFAULTS): QueueRow {
    const found = this.queue(name);
    if (found !== undefined) return found;
    insertQueue(this.store, name, settings, this.now);
    return this.#remember(name, findQueue(this.store, name)) as QueueRow;
  }

  /** A queue is gone: nothing of it is written back. */
  forgetQueue(row: QueueRow): void {
    if (row.ns === this.store.ns) this.#queues.set(row.name, undefined);
    this.#queuesById.set(row.id, undefined);
    row.isChanged = false;
  }

  counter(): Counter {
    this.#counter ??= this.#loadCounter();
    return this.#counter;
  }

  /** What `read` gives. Where nothing is written it is asked once: what many subscribers read alike is read once. */
  once<T>(key: string, read: () => T): T {
    if (this.#writes) return read();
    if (!this.#memory.has(key)) this.#memory.set(key, read());
    return this.#memory.get(key) as T;
  }

  /** Has `work` done once all of this is stored, before anybody is told. */
  afterCommit(work: () => void): void {
    this.#afterCommit.push(work);
  }

  committed(): void {
    for (const work of this.#afterCommit) work();
  }

  /** Writes back what changed: the last thing before the commit. */
  flush(): void {
    for (const row of this.#queuesById.values()) {
      if (row === undefined || !row.isChanged) continue;
      row.save(this.store);
      if ((row.readyBefore === 0 && row.ready > 0) || row.hasEarlierDue) this.queuesWoken.add(row);
    }
    if (this.#counter === undefined || stamp(this.#counter) === this.#counterBefore) return;
    const { jobHead, logHead, revision, tombstones, ephemeral, bindings, listeners } = this.#counter;
    this.store
      .sql('UPDATE counter SET job_head=?, log_head=?, revision=?, tombstones=?, ephemeral=?, bindings=?, listeners=?')
      .run(jobHead, logHead, revision, tombstones, ephemeral, bindings, listeners);
  }

  #remember(name: string, row: QueueRow | undefined): QueueRow | undefined {
    this.#queues.set(name, row);
    if (row !== undefined) this.#queuesById.set(row.id, row);
    return row;
  }

  #loadCounter(): Counter {
    const row = this.store
      .sql<number[]>('SELECT job_head, log_head, revision, tombstones, ephemeral, bindings, listeners FROM counter')
      .get() as [number, number, number, number, number, number, number];
    const [jobHead, logHead, revision, tombstones, ephemeral, bindings, listeners] = row;
    const counter = { jobHead, logHead, revision, tombstones, ephemeral, bindings, listeners };
    this.#counterBefore = stamp(counter);
    return counter;
  }
}

function stamp(counter: Counter): string {
  return Object.values(counter).join();
}
