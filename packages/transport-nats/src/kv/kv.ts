/** The kv of a namespace: compare and set, times to live, watches. */

import type { Cursor, KvDriver, PageQuery, PutCondition } from '@busbar/api/driver';
import {
  compareUtf8,
  type DeleteResult,
  type KvChange,
  type KvEntry,
  type KvTouch,
  type PutResult,
  type TouchResult,
} from '@busbar/api/transport';
import type { StoreGate } from '../gate/store-gate.ts';
import type { KvStore, StoredValue } from './kv-store.ts';
import type { KvWatches } from './watch.ts';

const NOTHING = new Uint8Array();

export class Kv implements KvDriver {
  readonly #store: KvStore;
  readonly #watches: KvWatches;
  readonly #gate: StoreGate;

  constructor(store: KvStore, watches: KvWatches, gate: StoreGate) {
    this.#store = store;
    this.#watches = watches;
    this.#gate = gate;
  }

  async get(key: string): Promise<KvEntry | undefined> {
    const found = this.#alive(await this.#store.read(key));
    return found && this.#store.toEntry(found);
  }

  async put(key: string, value: Uint8Array, { ttlMs, ifRevision }: PutCondition): Promise<PutResult> {
    if (this.#gate.isClosed) await this.#gate.assertOpen();
    for (;;) {
      const known = await this.#store.read(key);
      const present = this.#alive(known);
      if (ifRevision !== undefined && ifRevision !== (present?.revision ?? 0)) {
        return { status: 'conflict', current: present && this.#store.toEntry(present) };
      }
      const expiresAt = ttlMs === undefined ? undefined : Math.ceil(this.#store.clock.store.late + ttlMs);
      const head = { createRevision: present?.createRevision, expiresAt, ttlMs };
      const stored = await this.#store.write(key, value, head, known);
      if (stored !== undefined) return { status: 'stored', ...stored };
    }
  }

  async touch(touches: readonly KvTouch[]): Promise<TouchResult[]> {
    if (this.#gate.isClosed) await this.#gate.assertOpen();
    const isOpen = await Promise.all(touches.map((touch) => this.#touchAgain(touch)));
    const open = touches.filter((_, index) => isOpen[index]);
    const known = new Map((await this.#store.readAll(open.map(({ key }) => key))).map((one) => [one.key, one]));
    return Promise.all(
      touches.map((touch, index) =>
        isOpen[index] ? this.#touch(touch, known.get(touch.key)) : { key: touch.key, status: 'touched' },
      ),
    );
  }

  async delete(key: string, ifRevision: number | undefined): Promise<DeleteResult> {
    if (this.#gate.isClosed) await this.#gate.assertOpen();
    for (;;) {
      const known = await this.#store.read(key);
      const present = this.#alive(known);
      if (present === undefined) return { status: 'absent' };
      if (ifRevision !== undefined && ifRevision !== present.revision) return { status: 'conflict' };
      const stored = await this.#store.write(key, NOTHING, { gone: 'deleted' }, known);
      if (stored !== undefined) return { status: 'deleted' };
    }
  }

  async list(prefix: string, { limit, after }: PageQuery): Promise<KvEntry[]> {
    const found = await this.#store.list(prefix);
    const alive = found.filter((one) => this.#store.isAlive(one));
    const rest = after === undefined ? alive : alive.filter(({ key }) => compareUtf8(key, after) > 0);
    return rest.slice(0, limit).map((one) => this.#store.toEntry(one));
  }

  watch(prefix: string): Promise<Cursor<KvChange>> {
    return this.#watches.open(prefix);
  }

  #alive(found: StoredValue | undefined): StoredValue | undefined {
    return found !== undefined && this.#store.isAlive(found) ? found : undefined;
  }

  /** A heartbeat reads its entry once: afterwards the guard of the write suffices. True if the entry must be read. */
  async #touchAgain({ key, ttlMs, createRevision }: KvTouch): Promise<boolean> {
    const present = this.#alive(this.#store.touched(key));
    const isKnown = present !== undefined && createRevision === present.createRevision;
    return !(isKnown && (await this.#store.touch(key, ttlMs, present)));
  }

  async #touch({ key, ttlMs, createRevision }: KvTouch, known: StoredValue | undefined): Promise<TouchResult> {
    for (let found = known; ; found = await this.#store.read(key)) {
      const present = this.#alive(found);
      const isLost = createRevision !== undefined && createRevision !== present?.createRevision;
      if (present === undefined || isLost) return { key, status: 'lost' };
      if (await this.#store.touch(key, ttlMs, present)) return { key, status: 'touched' };
    }
  }
}
