/** Watches of keys: the present entries, then the changes, of which a watch sees the newest of each key. */

import type { CallContext, Cursor } from '@busbar/api/driver';
import { BusbarError, type KvChange, type KvEntry } from '@busbar/api/transport';
import type { Batcher } from '../connection/batcher.ts';
import { prefixEnd } from '../connection/store.ts';
import { type CursorRead, StoreCursor } from '../connection/store-cursor.ts';
import type { Transaction } from '../connection/transaction.ts';
import { CursorSet } from '../wakeup/cursor-set.ts';
import type { CommitNotifier } from '../wakeup/notifier.ts';
import type { WaiterRegistry } from '../wakeup/waiter-registry.ts';
import { getEntry, listEntries } from './kv.ts';

/** Changes of one read, those of other keys included. */
const STEP = 500;

class KvWatch extends StoreCursor<KvChange> {
  readonly #prefix: string;
  readonly #prefixEnd: Buffer;
  /** The key up to which the present entries were read; undefined after the last one. */
  #listedUpTo: string | undefined = '';
  #isSynced = false;
  /** The last change that was read. */
  #change: number;
  /** The revision of each entry that was reported as present. */
  readonly #present = new Map<string, number>();
  /** After a reset: entries that were present before and are not listed so far. */
  #missing: Set<string> | undefined;

  constructor(prefix: string, change: number, batcher: Batcher, onClose: () => void) {
    super(batcher, onClose);
    this.#prefix = prefix;
    this.#prefixEnd = prefixEnd(prefix);
    this.#change = change;
  }

  protected override read(tx: Transaction, max: number): CursorRead<KvChange> {
    if (this.isReset) this.#startAgain(tx);
    if (this.#listedUpTo !== undefined) return this.#list(tx, max);
    if (this.#missing !== undefined) return this.#reportMissing(tx, this.#missing, max);
    return this.#readChanges(tx, max);
  }

  /** Lists all entries once more, of which it reports those that differ. */
  #startAgain(tx: Transaction): void {
    this.#change = tx.counters().revision;
    this.#listedUpTo = '';
    this.#missing = new Set([...(this.#missing ?? []), ...this.#present.keys()]);
    this.isReset = false;
  }

  /** A page of the present entries, and `synced` after the last one of the first listing. */
  #list(tx: Transaction, max: number): CursorRead<KvChange> {
    const limit = Math.max(1, max - 1);
    const entries = listEntries(tx, this.#prefix, { limit, after: this.#listedUpTo || undefined });
    const isNew = ({ key, revision }: KvEntry): boolean => this.#present.get(key) !== revision;
    const items: KvChange[] = entries.filter(isNew).map((entry) => ({ kind: 'put', entry }));
    const isLast = entries.length < limit;
    if (isLast && !this.#isSynced) items.push({ kind: 'synced' });
    tx.afterCommit(() => {
      for (const { key, revision } of entries) {
        this.#present.set(key, revision);
        this.#missing?.delete(key);
      }
      this.#listedUpTo = isLast ? undefined : entries.at(-1)?.key;
      this.#isSynced ||= isLast;
    });
    return { items, isAll: false };
  }

  #reportMissing(tx: Transaction, missing: Set<string>, max: number): CursorRead<KvChange> {
    const { revision } = tx.counters();
    const keys = [...missing].slice(0, max);
    tx.afterCommit(() => {
      for (const key of keys) {
        missing.delete(key);
        this.#present.delete(key);
      }
      if (missing.size === 0) this.#missing = undefined;
    });
    return { items: keys.map((key) => ({ kind: 'deleted', key, revision })), isAll: false };
  }

  /** The changes since the last read. A key that changed several times appears once, with its newest change. */
  #readChanges(tx: Transaction, max: number): CursorRead<KvChange> {
    const { prunedChange, revision: newest } = tx.counters();
    if (this.#change < prunedChange) throw fellBehind();
    const beyond = tx
      .sql<[number]>(`SELECT change FROM kv WHERE change>? ORDER BY change LIMIT 1 OFFSET ${STEP}`)
      .get(this.#change);
    const upTo = beyond === undefined ? newest : beyond[0] - 1;
    const limit = Math.min(STEP, max);
    // Most changes are of other keys: SQLite leaves them out in less time than rows of them take here.
    const rows = tx
      .sql<[string, number, 'deleted' | 'expired' | null, number]>(
        `SELECT key, change, tombstone, revision FROM kv INDEXED BY kv_change
         WHERE change>? AND change<=? AND ns=? AND key>=? AND key<CAST(? AS TEXT) ORDER BY change LIMIT ?`,
      )
      .all(this.#change, upTo, tx.ns, this.#prefix, this.#prefixEnd, limit);
    const isAll = rows.length < limit;
    const items: KvChange[] = [];
    for (const [key, , tombstone, revision] of rows) {
      // An entry that was newer than the start of the watch was listed already.
      if (this.#present.get(key) === revision) continue;
      const entry = tombstone === null ? getEntry(tx, key) : undefined;
      if (tombstone !== null) items.push({ kind: tombstone, key, revision });
      else if (entry !== undefined) items.push({ kind: 'put', entry });
    }
    tx.afterCommit(() => {
      this.#change = isAll ? upTo : (rows.at(-1)?.[1] ?? this.#change);
      for (const item of items) this.#note(item);
    });
    return { items, isAll: isAll && beyond === undefined };
  }

  #note(change: KvChange): void {
    if (change.kind === 'put') this.#present.set(change.entry.key, change.entry.revision);
    else if (change.kind !== 'synced') this.#present.delete(change.key);
  }
}

/** The open watches of this process. */
export class KvWatches extends CursorSet<KvWatch> {
  constructor(batcher: Batcher, registry: WaiterRegistry, commits: CommitNotifier) {
    super('kv', batcher, registry, (prefix, key) => key.startsWith(prefix), commits);
    commits.committed.subscribe(({ changedKeys }) => this.wake(changedKeys));
  }

  watch(prefix: string, context: CallContext): Promise<Cursor<KvChange>> {
    const create = (tx: Transaction, onClose: () => void): KvWatch =>
      new KvWatch(prefix, tx.counters().revision, this.batcher, onClose);
    return this.open(prefix, create, context);
  }
}

function fellBehind(): BusbarError {
  return new BusbarError('UNAVAILABLE', 'the watch fell behind: changes it has not read were pruned', {
    hint: 'Watch again: a new watch starts with the present entries.',
  });
}
