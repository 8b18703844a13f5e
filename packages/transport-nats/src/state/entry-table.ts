/** The entries of one namespace: values with revisions and times to live. */

import type { KeyChange, PageQuery, PutCondition } from '@busbar/api/driver';
import {
  compareUtf8,
  type DeleteResult,
  type KvEntry,
  type KvTouch,
  type PutResult,
  type TouchResult,
} from '@busbar/api/transport';
import { type Agenda, Alarm } from './agenda.ts';

export interface Row {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
  readonly createRevision: number;
  readonly end: Alarm;
}

/** The entries of one namespace. */
export class EntryTable {
  readonly rows: Map<string, Row> = new Map();
  /** Who is told of each change. */
  readonly watches: Set<{ changed(change: KeyChange): void }> = new Set();
  /** The highest revision ever given: one counter for all keys, which is more than the rules ask. */
  revision = 0;
  readonly #agenda: Agenda;

  constructor(agenda: Agenda) {
    this.#agenda = agenda;
  }

  get(key: string): KvEntry | undefined {
    const row = this.rows.get(key);
    return row && !this.#isOver(row) ? this.#toEntry(row) : undefined;
  }

  put(key: string, value: Uint8Array, { ttlMs, ifRevision }: PutCondition): PutResult {
    const present = this.rows.get(key);
    if (ifRevision !== undefined && ifRevision !== (present?.revision ?? 0)) {
      return { status: 'conflict', current: present && this.#toEntry(present) };
    }
    this.revision += 1;
    const { revision } = this;
    const createRevision = present?.createRevision ?? revision;
    const row = this.set({ key, value, revision, createRevision });
    if (ttlMs !== undefined) this.#agenda.set(row.end, ttlMs);
    this.#tell({ kind: 'put', entry: this.#toEntry(row) });
    return { status: 'stored', revision, createRevision };
  }

  /** Takes an entry as it was elsewhere; false where the key is there already. */
  restore({ key, value, revision, createRevision, ttlLeftMs }: KvEntry): boolean {
    this.revision = Math.max(this.revision, revision);
    if (this.rows.has(key)) return false;
    const row = this.set({ key, value, revision, createRevision });
    if (ttlLeftMs !== undefined) this.#agenda.set(row.end, ttlLeftMs);
    this.#tell({ kind: 'put', entry: this.#toEntry(row) });
    return true;
  }

  touch({ key, ttlMs, createRevision }: KvTouch): TouchResult {
    const row = this.rows.get(key);
    if (row === undefined || (createRevision !== undefined && createRevision !== row.createRevision)) {
      return { key, status: 'lost' };
    }
    this.#agenda.set(row.end, ttlMs);
    return { key, status: 'touched' };
  }

  delete(key: string, ifRevision: number | undefined): DeleteResult {
    const row = this.rows.get(key);
    if (row === undefined) return { status: 'absent' };
    if (ifRevision !== undefined && ifRevision !== row.revision) return { status: 'conflict' };
    this.#remove(row, 'deleted');
    return { status: 'deleted' };
  }

  list(prefix: string, { limit, after }: PageQuery): KvEntry[] {
    const keys = [...this.rows.keys()].filter((key) => key.startsWith(prefix)).sort(compareUtf8);
    const from = after === undefined ? 0 : keys.findIndex((key) => compareUtf8(key, after) > 0);
    const entries: KvEntry[] = [];
    for (let i = from; i >= 0 && i < keys.length && entries.length < limit; i += 1) {
      const entry = this.get(keys[i] ?? '');
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  clear(): void {
    for (const row of this.rows.values()) this.#remove(row, 'deleted');
  }

  /** Puts a row in, with no end. */
  set(row: Omit<Row, 'end'>): Row {
    const end = this.rows.get(row.key)?.end ?? new Alarm(() => this.#expire(row.key));
    this.#agenda.cancel(end);
    const complete = { ...row, end };
    this.rows.set(row.key, complete);
    return complete;
  }

  #expire(key: string): void {
    const row = this.rows.get(key);
    if (row !== undefined) this.#remove(row, 'expired');
  }

  #remove(row: Row, kind: 'deleted' | 'expired'): void {
    this.revision += 1;
    this.rows.delete(row.key);
    this.#agenda.cancel(row.end);
    this.#tell({ kind, key: row.key, revision: this.revision });
  }

  #tell(change: KeyChange): void {
    for (const watch of this.watches) watch.changed(change);
  }

  /** It ended by now, and only no record has said so yet. */
  #isOver({ end }: Row): boolean {
    return end.at <= this.#agenda.probably;
  }

  #toEntry({ key, value, revision, createRevision, end }: Row): KvEntry {
    const ttlLeftMs = end.at === Number.POSITIVE_INFINITY ? undefined : this.#agenda.leftMs(end);
    return { key, value: new Uint8Array(value), revision, createRevision, ttlLeftMs };
  }
}
