/** The key-value pairs of one namespace. */

import { Deadline, type DeadlineQueue, type PageQuery, type PutCondition, WatchCursor } from '@busbar/api/driver';
import {
  compareUtf8,
  type DeleteResult,
  type KvEntry,
  type KvTouch,
  type PutResult,
  type TouchResult,
} from '@busbar/api/transport';

interface Row {
  readonly key: string;
  value: Uint8Array;
  revision: number;
  readonly createRevision: number;
  readonly end: Deadline;
}

/** The key-value pairs of one namespace: values with revisions and times to live. */
export class KvStore {
  readonly #deadlines: DeadlineQueue;
  readonly #rows = new Map<string, Row>();
  readonly #watches = new Set<WatchCursor>();
  /**
   * The highest revision so far. All keys share one counter; the rules ask for one per key. It begins with the time in µs:
   * behind a hub the tokens of a new store are higher than those of one that ended with its process.
   */
  revision: number = Date.now() * 1000;

  constructor(deadlines: DeadlineQueue) {
    this.#deadlines = deadlines;
  }

  get(key: string): KvEntry | undefined {
    const row = this.#rows.get(key);
    return row && this.#toKvEntry(row);
  }

  put(key: string, value: Uint8Array, { ttlMs, ifRevision }: PutCondition): PutResult {
    const present = this.#rows.get(key);
    if (ifRevision !== undefined && ifRevision !== (present?.revision ?? 0)) {
      return { status: 'conflict', current: present && this.#toKvEntry(present) };
    }
    this.revision += 1;
    const row = this.#set(key, value, this.revision, present?.createRevision ?? this.revision, ttlMs);
    return { status: 'stored', revision: row.revision, createRevision: row.createRevision };
  }

  /** Imports an entry. Returns false when the key exists. */
  restore({ key, value, revision, createRevision, ttlLeftMs }: KvEntry): boolean {
    this.revision = Math.max(this.revision, revision);
    if (this.#rows.has(key)) return false;
    this.#set(key, value, revision, createRevision, ttlLeftMs);
    return true;
  }

  touch({ key, ttlMs, createRevision }: KvTouch): TouchResult {
    const row = this.#rows.get(key);
    if (row === undefined || (createRevision !== undefined && createRevision !== row.createRevision)) {
      return { key, status: 'lost' };
    }
    this.#deadlines.setIn(row.end, ttlMs);
    return { key, status: 'touched' };
  }

  delete(key: string, ifRevision: number | undefined): DeleteResult {
    const row = this.#rows.get(key);
    if (row === undefined) return { status: 'absent' };
    if (ifRevision !== undefined && ifRevision !== row.revision) return { status: 'conflict' };
    this.#remove(row, 'deleted');
    return { status: 'deleted' };
  }

  list(prefix: string, { limit, after }: PageQuery): KvEntry[] {
    const keys = [...this.#rows.keys()].filter((key) => key.startsWith(prefix)).sort(compareUtf8);
    const from = after === undefined ? 0 : keys.findIndex((key) => compareUtf8(key, after) > 0);
    if (from < 0) return [];
    return keys.slice(from, from + limit).flatMap((key) => this.get(key) ?? []);
  }

  watch(prefix: string): WatchCursor {
    const present = [...this.#rows.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .map((row) => this.#toKvEntry(row));
    const watch = new WatchCursor(prefix, () => this.#watches.delete(watch));
    this.#watches.add(watch);
    watch.begin(present);
    return watch;
  }

  clear(): void {
    for (const row of this.#rows.values()) this.#remove(row, 'deleted');
  }

  #set(key: string, value: Uint8Array, revision: number, createRevision: number, ttlMs: number | undefined): Row {
    const end = this.#rows.get(key)?.end ?? new Deadline(() => this.#expire(key));
    const row = { key, value, revision, createRevision, end };
    this.#rows.set(key, row);
    this.#deadlines.cancel(end);
    if (ttlMs !== undefined) this.#deadlines.setIn(end, ttlMs);
    for (const watch of this.#watches) watch.changed({ kind: 'put', entry: this.#toKvEntry(row) });
    return row;
  }

  #expire(key: string): void {
    const row = this.#rows.get(key);
    if (row !== undefined) this.#remove(row, 'expired');
  }

  #remove(row: Row, kind: 'deleted' | 'expired'): void {
    this.revision += 1;
    this.#rows.delete(row.key);
    this.#deadlines.cancel(row.end);
    for (const watch of this.#watches) watch.changed({ kind, key: row.key, revision: this.revision });
  }

  #toKvEntry({ key, value, revision, createRevision, end }: Row): KvEntry {
    const ttlLeftMs = end.at === Number.POSITIVE_INFINITY ? undefined : this.#deadlines.msLeft(end);
    return { key, value: new Uint8Array(value), revision, createRevision, ttlLeftMs };
  }
}
