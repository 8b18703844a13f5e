/** Watches: values as they change, and entries whose time is over. */

import { type Cursor, Deadline, DeadlineQueue, WatchCursor } from '@busbar/api/driver';
import type { KvChange } from '@busbar/api/transport';
import type { Msg } from '@nats-io/transport-node';
import { pause } from '../connection/pause.ts';
import type { WaitingPull } from '../connection/puller.ts';
import { NS } from '../connection/streams.ts';
import { readDelivery } from '../queues/stored-message.ts';
import { toFilter } from './key.ts';
import type { KvStore, StoredValue } from './kv-store.ts';

const BATCH = 256;
const INACTIVE_MS = 60_000;
/** Of several watchers mostly one writes down that an entry has expired. */
const SPREAD_MS = 60;
const RETRY_MS = 100;
/** How often an entry is looked at whose time is over when the gate opens. */
const STOPPED_MS = 250;
const NOTHING = new Uint8Array();

/** The open watches of a transport. */
export class KvWatches {
  readonly #store: KvStore;
  readonly #open = new Set<KvWatch>();

  constructor(store: KvStore) {
    this.#store = store;
  }

  /** Opens a watch on the keys with a prefix. */
  async open(prefix: string): Promise<Cursor<KvChange>> {
    const watch: KvWatch = new KvWatch(this.#store, prefix, () => void this.#open.delete(watch));
    this.#open.add(watch);
    await watch.open();
    return watch.cursor;
  }

  /** Shows the difference between what the watches know and what the store has now. */
  async catchUp(): Promise<void> {
    await Promise.all([...this.#open].map((watch) => watch.catchUp()));
  }
}

class KvWatch {
  readonly cursor: WatchCursor;
  readonly #store: KvStore;
  readonly #prefix: string;
  readonly #known = new Map<string, StoredValue>();
  readonly #deadlines = new DeadlineQueue();
  readonly #expiries = new Map<string, Deadline>();
  #waiting: WaitingPull | undefined;
  #consumer: string | undefined;
  #next = 1;
  #isOpen = false;
  #isClosed = false;

  constructor(store: KvStore, prefix: string, onClose: () => void) {
    this.#store = store;
    this.#prefix = prefix;
    this.cursor = new WatchCursor(prefix, () => {
      this.#close();
      onClose();
    });
  }

  async open(): Promise<void> {
    const { requests, names } = this.#store;
    this.#next = (await requests.reader.lastSequence(names.kv)) + 1;
    const found = await this.#store.list(this.#prefix);
    const alive = found.filter((one) => this.#store.isAlive(one));
    for (const one of alive) this.#keep(one);
    this.cursor.begin(alive.map((one) => this.#store.toEntry(one)));
    this.#isOpen = true;
    void this.#follow();
  }

  /** Reads the present entries again: the store has lost some, or has earlier ones. */
  async catchUp(): Promise<void> {
    if (!this.#isOpen || this.#isClosed) return;
    const { requests, names } = this.#store;
    const next = (await requests.reader.lastSequence(names.kv)) + 1;
    const found = await this.#store.list(this.#prefix);
    const alive = new Map(found.filter((one) => this.#store.isAlive(one)).map((one) => [one.key, one]));
    for (const [key, { revision, ...known }] of [...this.#known]) {
      if (alive.has(key)) continue;
      this.#keep({ ...known, revision, gone: 'deleted' });
      this.cursor.changed({ kind: 'deleted', key, revision });
    }
    for (const [key, one] of alive) {
      const isKnown = this.#known.get(key)?.revision === one.revision;
      this.#keep(one);
      if (!isKnown) this.cursor.changed({ kind: 'put', entry: this.#store.toEntry(one) });
    }
    this.#next = next;
    this.#consumer = undefined;
    await this.#waiting?.withdraw();
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed) {
      try {
        const consumer = await this.#ensure();
        if (this.#isClosed) return this.#deleteConsumer();
        this.#waiting = this.#store.puller.wait(consumer, BATCH, (message) => this.#take(message));
        if ((await this.#waiting.over) && this.#consumer === consumer) this.#consumer = undefined;
      } catch {
        this.#consumer = undefined;
      }
      if (this.#consumer === undefined && !this.#isClosed) await pause(RETRY_MS);
    }
  }

  async #ensure(): Promise<string> {
    if (this.#consumer !== undefined) return this.#consumer;
    const { requests, names } = this.#store;
    const filter = names.kvSubject('v', toFilter(this.#prefix));
    const name = `w${crypto.randomUUID().replaceAll('-', '')}`;
    const config = {
      ...{ name, filter_subject: filter, ack_policy: 'none', deliver_policy: 'by_start_sequence' },
      ...{ opt_start_seq: this.#next, replay_policy: 'instant', mem_storage: true, num_replicas: 1 },
      inactive_threshold: INACTIVE_MS * NS,
    };
    await requests.api(`CONSUMER.CREATE.${names.kv}.${name}.${filter}`, { stream_name: names.kv, config });
    this.#consumer = name;
    return name;
  }

  #take(message: Msg): void {
    const { seq } = readDelivery(message);
    if (this.#isClosed || seq < this.#next) return;
    this.#next = seq + 1;
    const value = this.#store.parse(message, seq);
    const before = this.#known.get(value.key);
    if (!value.key.startsWith(this.#prefix) || (before !== undefined && before.last >= seq)) return;
    this.#keep(value);
    const { key, revision, gone } = value;
    if (gone === undefined) this.cursor.changed({ kind: 'put', entry: this.#store.toEntry(value) });
    else if (before !== undefined) this.cursor.changed({ kind: gone, key, revision });
  }

  #keep(value: StoredValue): void {
    const { key, gone, expiresAt } = value;
    const expiry = this.#expiries.get(key);
    if (expiry !== undefined) this.#deadlines.cancel(expiry);
    this.#expiries.delete(key);
    if (gone !== undefined) {
      this.#known.delete(key);
      return;
    }
    this.#known.set(key, value);
    if (expiresAt === Number.POSITIVE_INFINITY) return;
    const deadline = new Deadline(() => void this.#look(key));
    this.#expiries.set(key, deadline);
    this.#deadlines.setIn(deadline, Math.max(1, expiresAt - this.#store.clock.store.now) + Math.random() * SPREAD_MS);
  }

  /** Handles the end of a time to live, unless the entry was touched. The first watcher writes it down for all. */
  async #look(key: string): Promise<void> {
    if (this.#isClosed) return;
    if (this.#store.clock.store.isStopped) return this.#again(key, STOPPED_MS);
    try {
      const now = await this.#store.read(key);
      const known = this.#known.get(key);
      if (now === undefined || known === undefined || now.gone !== undefined) return;
      if (this.#store.isAlive(now)) this.#keep({ ...now, last: Math.max(known.last, now.last) });
      else if ((await this.#store.write(key, NOTHING, { gone: 'expired' }, now)) === undefined) this.#again(key);
    } catch {
      this.#again(key);
    }
  }

  #again(key: string, ms: number = SPREAD_MS): void {
    const expiry = this.#expiries.get(key);
    if (expiry !== undefined && !this.#isClosed) this.#deadlines.setIn(expiry, ms);
  }

  #close(): void {
    this.#isClosed = true;
    this.#deadlines.clear();
    this.#deleteConsumer();
    void this.#waiting?.withdraw();
  }

  #deleteConsumer(): void {
    const { requests, names } = this.#store;
    if (this.#consumer !== undefined) requests.send(`$JS.API.CONSUMER.DELETE.${names.kv}.${this.#consumer}`);
  }
}
