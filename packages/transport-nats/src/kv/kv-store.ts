/** Reads and writes of kv: a value and a touch for each key, every write guarded by the last of both. */

import { compareUtf8, type KvEntry, type KvPut } from '@busbar/api/transport';
import type { Msg } from '@nats-io/transport-node';
import { type HeaderList, sequenceOf } from '../connection/message-headers.ts';
import type { Names } from '../connection/names.ts';
import type { Puller } from '../connection/puller.ts';
import type { ServerClock } from '../connection/server-clock.ts';
import type { PubAck, ServerRequests } from '../connection/server-requests.ts';
import { Reconnected } from '../errors.ts';
import type { GateView } from '../gate/gate-view.ts';
import { readDelivery } from '../queues/stored-message.ts';
import { fromPath, toFilter, toPath } from './key.ts';
import { raiseRevisions, readRevisions } from './revisions.ts';

/** The header of a value. */
export interface ValueHead {
  /** The sequence of the first value of this entry, as a revision; undefined: it is the first. */
  readonly createRevision?: number | undefined;
  /** The revision, where it is not the sequence and the offset: an imported one. */
  readonly revision?: number | undefined;
  /** The difference between revisions and sequences. */
  readonly offset: number;
  /** On the clock of the server. */
  readonly expiresAt?: number | undefined;
  readonly ttlMs?: number | undefined;
  readonly gone?: 'deleted' | 'expired' | undefined;
}

/** A value as it is stored, touches included. */
export interface StoredValue {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
  readonly createRevision: number;
  expiresAt: number;
  /** The whole time to live. */
  ttlMs: number;
  readonly gone: ValueHead['gone'];
  /** The last write of the key, for the guard of the next one. */
  last: number;
}

interface TouchRecord {
  readonly createRevision: number;
  readonly ttlMs: number;
  readonly expiresAt: number;
}

const HEADER = 'Busbar';
/** A deletion is kept this long for the `nats` command and for readers that were away. */
const GONE_TTL = '3600s';
const MAX_TOUCHED = 20_000;
const NOTHING = new Uint8Array();
const WRITE_MS = 30_000;

export class KvStore {
  readonly requests: ServerRequests;
  readonly names: Names;
  readonly clock: ServerClock;
  readonly puller: Puller;
  readonly #gate: Pick<GateView, 'read'>;
  readonly #touched = new Map<string, StoredValue>();
  #offset: number | undefined;

  constructor(
    { requests, names, clock, gate }: Pick<KvStore, 'requests' | 'names' | 'clock'> & { gate: Pick<GateView, 'read'> },
    puller: Puller,
  ) {
    this.#gate = gate;
    this.requests = requests;
    this.names = names;
    this.clock = clock;
    this.puller = puller;
    requests.connection.onBack(() => this.forget());
  }

  /** Forgets what may differ after a reconnect. */
  forget(): void {
    this.#touched.clear();
    this.#offset = undefined;
  }

  /** The stored value of a key, also a deleted or expired one. */
  async read(key: string): Promise<StoredValue | undefined> {
    return (await this.readAll([key]))[0];
  }

  async readAll(keys: readonly string[]): Promise<StoredValue[]> {
    const all: StoredValue[] = [];
    // A page has whole pairs: its size is even.
    const subjects = keys.flatMap((key) => [this.subject('v', key), this.subject('t', key)]);
    for await (const page of this.requests.reader.lastOf(this.names.kv, subjects)) all.push(...this.#join(page));
    return this.#verified(all);
  }

  /** All entries with a prefix, in the order of their keys. */
  async list(prefix: string): Promise<StoredValue[]> {
    const messages: Msg[] = [];
    const filter = this.names.kvSubject('*', toFilter(prefix));
    for await (const page of this.requests.reader.scan(this.names.kv, filter)) messages.push(...page);
    const found = this.#join(messages).filter(({ key }) => key.startsWith(prefix));
    return this.#verified(found.sort((one, other) => compareUtf8(one.key, other.key)));
  }

  isAlive({ gone, expiresAt }: StoredValue): boolean {
    return gone === undefined && expiresAt > this.clock.store.now;
  }

  toEntry({ key, value, revision, createRevision, expiresAt, ttlMs }: StoredValue): KvEntry {
    const leftMs = Math.min(ttlMs, Math.max(0, expiresAt - this.clock.store.now));
    const ttlLeftMs = expiresAt === Number.POSITIVE_INFINITY ? undefined : leftMs;
    return { key, value: new Uint8Array(value), revision, createRevision, ttlLeftMs };
  }

  /** Writes a value behind the last write of its key; undefined where another one was first. */
  async write(
    key: string,
    value: Uint8Array,
    head: Omit<ValueHead, 'offset'>,
    known: StoredValue | undefined,
  ): Promise<{ revision: number; createRevision: number } | undefined> {
    const offset = Math.max(await this.offset(), known === undefined ? 0 : known.revision - known.last);
    const marker = head.gone === undefined ? {} : { 'KV-Operation': 'DEL', 'Nats-TTL': GONE_TTL };
    const headers = { [HEADER]: JSON.stringify({ ...head, offset }), ...marker };
    const ack = await this.#guarded(this.subject('v', key), value, headers, known?.last ?? 0);
    if (ack === undefined) return undefined;
    const revision = head.revision ?? ack.seq + offset;
    return { revision, createRevision: head.createRevision ?? revision };
  }

  /** Puts an entry without a condition. A new key needs no read. */
  async replace({ key, value, ttlMs }: KvPut): Promise<void> {
    let known: StoredValue | undefined;
    for (;;) {
      const createRevision = known !== undefined && this.isAlive(known) ? known.createRevision : undefined;
      const expiresAt = ttlMs === undefined ? undefined : Math.ceil(this.clock.store.late + ttlMs);
      if ((await this.write(key, value, { createRevision, expiresAt, ttlMs }, known)) !== undefined) return;
      known = await this.read(key);
    }
  }

  /** Renews a time to live; false where another write was first. */
  async touch(key: string, ttlMs: number, value: StoredValue): Promise<boolean> {
    const { createRevision, last } = value;
    const record: TouchRecord = { createRevision, ttlMs, expiresAt: Math.ceil(this.clock.store.late + ttlMs) };
    const ttl = { 'Nats-TTL': `${Math.ceil(ttlMs / 1000) + 60}s` };
    this.#touched.delete(key);
    const ack = await this.#guarded(this.subject('t', key), JSON.stringify(record), ttl, last);
    if (ack === undefined) return false;
    if (this.#touched.size >= MAX_TOUCHED) this.#touched.clear();
    this.#touched.set(key, { ...value, value: NOTHING, expiresAt: record.expiresAt, ttlMs, last: ack.seq });
    return true;
  }

  /** An entry as this process touched it last: its guard tells whether it has changed since. Without its value. */
  touched(key: string): StoredValue | undefined {
    return this.#touched.get(key);
  }

  /** The difference between revisions and sequences. Imports raise it. */
  async offset(): Promise<number> {
    this.#offset ??= await readRevisions(this.requests, this.names);
    return this.#offset;
  }

  /** Sees that every revision from now on is above `highest`. */
  async raiseOffset(highest: number): Promise<void> {
    this.#offset = await raiseRevisions(this.requests, this.names, highest);
  }

  /** A value that a watcher heard of. */
  parse(message: Msg, seq: number): StoredValue {
    const subject = message.headers?.get('Nats-Subject') || message.subject;
    const key = fromPath(subject.slice(this.names.kvSubject('v', '').length));
    const text = message.headers?.get(HEADER);
    const head: ValueHead = text ? JSON.parse(text) : { offset: 0 };
    const isForeignDelete = message.headers?.get('KV-Operation') !== '' && head.gone === undefined;
    const revision = head.revision ?? seq + head.offset;
    return {
      key,
      value: message.data,
      revision,
      createRevision: head.createRevision ?? revision,
      expiresAt: head.expiresAt ?? Number.POSITIVE_INFINITY,
      ttlMs: head.ttlMs ?? Number.POSITIVE_INFINITY,
      gone: isForeignDelete ? 'deleted' : head.gone,
      last: seq,
    };
  }

  subject(kind: 'v' | 't', key: string): string {
    return this.names.kvSubject(kind, toPath(key));
  }

  /** Before an entry counts as expired, the gate is read again: the clock of the namespace may have stood still. */
  async #verified(found: StoredValue[]): Promise<StoredValue[]> {
    if (found.some((one) => one.gone === undefined && !this.isAlive(one))) await this.#gate.read();
    return found;
  }

  async #guarded(
    subject: string,
    data: Uint8Array | string,
    headers: HeaderList,
    last: number,
  ): Promise<PubAck | undefined> {
    const path = subject.slice(this.names.kvSubject('v', '').length);
    const guard = {
      'Nats-Expected-Last-Subject-Sequence': last,
      'Nats-Expected-Last-Subject-Sequence-Subject': this.names.kvSubject('*', path),
    };
    const mark = crypto.randomUUID().slice(0, 8);
    const bounds = { deadline: performance.now() + WRITE_MS, isOnce: true };
    try {
      const all = { ...headers, ...guard, 'Busbar-Write': mark };
      const ack = await this.requests.publishGuarded(subject, data, all, bounds);
      if (ack !== undefined) return ack;
    } catch (error) {
      // The guard and the revision may be wrong for the store that the server has now.
      if (!(error instanceof Reconnected)) throw error;
    }
    // It may have been this very write whose answer was lost.
    const now = await this.requests.reader.last(this.names.kv, subject);
    const isOwn = now?.headers?.get('Busbar-Write') === mark;
    return isOwn ? { stream: this.names.kv, seq: sequenceOf(now) } : undefined;
  }

  /** Values with their touches, in any order. */
  #join(messages: readonly Msg[]): StoredValue[] {
    const values = new Map<string, StoredValue>();
    const touches: { key: string; seq: number; touch: TouchRecord }[] = [];
    const prefix = this.names.kvSubject('v', '');
    for (const message of messages) {
      const direct = message.headers?.get('Nats-Subject');
      const subject = direct || message.subject;
      const seq = direct ? sequenceOf(message) : readDelivery(message).seq;
      const isValue = subject.startsWith(prefix);
      if (isValue) {
        const value = this.parse(message, seq);
        values.set(value.key, value);
      } else if (subject.startsWith(this.names.kvSubject('t', ''))) {
        touches.push({ key: fromPath(subject.slice(prefix.length)), seq, touch: message.json<TouchRecord>() });
      }
    }
    for (const { key, seq, touch } of touches) {
      const value = values.get(key);
      if (value === undefined) continue;
      if (seq > value.last && touch.createRevision === value.createRevision) {
        value.expiresAt = touch.expiresAt;
        value.ttlMs = touch.ttlMs;
      }
      value.last = Math.max(value.last, seq);
    }
    return [...values.values()];
  }
}
