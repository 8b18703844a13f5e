/** The ledger of a queue: records of receives and settlements, beside the messages. */

import type { AttemptRecord, StoreReset } from '@busbar/api/transport';
import { sequenceOf } from '../connection/message-headers.ts';
import type { Lane, Names } from '../connection/names.ts';
import type { Bounds } from '../connection/request-inbox.ts';
import type { PubAck, ServerRequests } from '../connection/server-requests.ts';
import { PastLost } from '../errors.ts';
import { nonce } from './queue-record.ts';
import { forEachOf, lanesOf, type Runs, SettledSet } from './runs.ts';

/** Changes of messages in one turn of one process. */
export type LedgerRecord =
  /** The receive `r`: messages that are leased until `end` on the clock of the server. */
  | {
      readonly k: 'r';
      readonly inc: string;
      readonly r: number;
      readonly by?: string | undefined;
      readonly end: number;
      readonly got: Runs;
    }
  /** Settled: what was acked, by receive, and other outcomes. */
  | {
      readonly k: 's';
      readonly inc: string;
      readonly acked: Readonly<Record<string, Runs>>;
      readonly other: readonly LedgerOutcome[];
    }
  /** Messages came that were not sent: imported, or dead letters that were put back. */
  | { readonly k: 'u'; readonly inc: string; readonly unsent: number }
  /** All that was before, in one. */
  | { readonly k: 'c'; readonly inc: string; readonly state: LedgerState };

/** The outcome of one message. */
export interface LedgerOutcome {
  /**
   * `hide`: an operator took the message back. `move`: the message is in another lane now. `due`: an operator set when it is
   * due, and it stays in its lane.
   */
  readonly did: 'ack' | 'retry' | 'release' | 'extend' | 'dead' | 'expired' | 'hide' | 'move' | 'due';
  readonly lane: Lane;
  readonly seq: number;
  /** The receive that it belongs to. Undefined if the message was not leased. */
  readonly r?: number | undefined;
  /** The end of an attempt, for the history. */
  readonly outcome?: AttemptRecord['outcome'] | undefined;
  readonly reason?: string | undefined;
  /** When the message is due, or an extended lease ends. */
  readonly at?: number | undefined;
}

/** A lease: the number of the receive that holds it, its end on the clock of the server, and the consumer name of the receive. */
interface Lease {
  readonly r: number;
  readonly end: number;
  readonly by: string | undefined;
}

/** The state of a message that is not settled. */
export interface Entry {
  readonly lane: Lane;
  attempts: number;
  history: readonly AttemptRecord[];
  lease: Lease | undefined;
  /** When the message is due after a retry or a change by an operator; 0: as it was sent. */
  dueAt: number;
}

/** Counts since the queue was created. */
export interface Totals {
  /** Those below the floors, less those that the stream holds beside and were not sent. */
  sent: number;
  done: number;
  dead: number;
  expired: number;
}

/** The whole state of a ledger in one record. */
export interface LedgerState {
  readonly floors: Readonly<Partial<Record<Lane, number>>>;
  readonly totals: Totals;
  readonly entries: readonly (readonly [number, Entry])[];
  readonly settled: Runs;
}

const MAX_HISTORY = 20;
const NONE: readonly never[] = [];
/** Settled by no receive: an operator or a client put the message elsewhere. */
const BY_NONE = -1;

/** The ledger of one life of a queue, as far as it was read. */
export class Ledger {
  readonly inc: string;
  readonly entries: Map<number, Entry> = new Map();
  /** Settled messages above the floors. */
  readonly settled: Map<Lane, SettledSet> = new Map();
  totals: Totals = { sent: 0, done: 0, dead: 0, expired: 0 };
  /** All messages of a lane up to this sequence are settled. */
  floors: Partial<Record<Lane, number>> = {};
  /** The last record that was read. */
  last = 0;
  readonly #requests: ServerRequests;
  readonly #stream: string;
  readonly #subject: string;
  #syncing: Promise<void> | undefined;

  constructor(requests: ServerRequests, names: Names, queue: string, inc: string) {
    this.#requests = requests;
    this.#stream = names.ledger;
    this.#subject = names.records(queue);
    this.inc = inc;
  }

  /** Reads new records, as far as the replica that replies has them. A call during a read waits for the next one. */
  async sync(bounds?: Bounds): Promise<void> {
    if (this.#syncing !== undefined) {
      await this.#syncing;
      if (this.#syncing !== undefined) return this.#syncing;
    }
    this.#syncing = this.#sync(bounds).finally(() => {
      this.#syncing = undefined;
    });
    return this.#syncing;
  }

  isSettled(lane: Lane, seq: number): boolean {
    return seq <= (this.floors[lane] ?? 0) || this.settled.get(lane)?.get(seq) !== undefined;
  }

  async #sync(bounds: Bounds | undefined): Promise<void> {
    for await (const page of this.#requests.reader.scanReplica(this.#stream, this.#subject, this.last + 1, bounds)) {
      for (const message of page) {
        const seq = sequenceOf(message);
        const at = Date.parse(message.headers?.get('Nats-Time-Stamp') ?? '');
        const record = message.json<LedgerRecord>();
        if (record.inc === this.inc) this.#fold(record, at);
        this.last = seq;
      }
    }
  }

  #fold(record: LedgerRecord, at: number): void {
    if (record.k === 'r') {
      const { r, end, by, got } = record;
      forEachOf(got, (lane, each) => this.#lease(lane, each, { r, end, by }, at));
    } else if (record.k === 's') {
      for (const [r, runs] of Object.entries(record.acked)) {
        forEachOf(runs, (lane, each) => this.#ack(lane, each, Number(r)));
      }
      for (const ledgerOutcome of record.other) this.#apply(ledgerOutcome, at);
    } else if (record.k === 'u') this.totals.sent -= record.unsent;
    else this.#restore(record.state);
  }

  /** A message with a live lease is not leased again: a restarted consumer delivers it twice. */
  #lease(lane: Lane, seq: number, lease: Lease, at: number): void {
    if (this.isSettled(lane, seq)) return;
    const entry = this.#entry(lane, seq);
    if (entry.lease !== undefined && entry.lease.end > at) return;
    if (entry.lease !== undefined) this.#endAttempt(entry, 'expired', undefined, entry.lease.end);
    entry.attempts += 1;
    entry.lease = lease;
  }

  #ack(lane: Lane, seq: number, r: number): void {
    if (this.isSettled(lane, seq) || this.#entry(lane, seq).lease?.r !== r) return;
    this.#settle(lane, seq, r);
    this.totals.done += 1;
  }

  /** An outcome of a receive that is not the last one of its message changes nothing. */
  #apply({ did, lane, seq, r, outcome, reason, at: until = 0 }: LedgerOutcome, at: number): void {
    if (this.isSettled(lane, seq)) return;
    const entry = this.#entry(lane, seq);
    if (r !== undefined ? entry.lease?.r !== r : entry.lease !== undefined && entry.lease.end > at) return;
    if (did === 'extend') {
      if (entry.lease !== undefined) entry.lease = { ...entry.lease, end: until };
      return;
    }
    if (did === 'due') {
      entry.dueAt = until;
      return;
    }
    if (outcome !== undefined)
      this.#endAttempt(entry, outcome, reason, outcome === 'expired' ? Math.min(entry.lease?.end ?? at, at) : at);
    if (did === 'release') entry.attempts -= 1;
    entry.lease = undefined;
    if (did === 'retry' || did === 'release') {
      if (until > 0) entry.dueAt = until;
      return;
    }
    this.#settle(lane, seq, did === 'hide' || did === 'move' ? BY_NONE : r);
    if (did === 'dead') this.totals.dead += 1;
    else if (did === 'expired') this.totals.expired += 1;
    else if (did === 'move') this.totals.sent -= 1;
  }

  #endAttempt(entry: Entry, outcome: AttemptRecord['outcome'], reason: string | undefined, endedAt: number): void {
    const record = {
      attempt: entry.attempts,
      endedAt: Math.round(endedAt),
      outcome,
      reason,
      consumer: entry.lease?.by,
    };
    entry.history = [...entry.history, record].slice(-MAX_HISTORY);
  }

  #entry(lane: Lane, seq: number): Entry {
    let entry = this.entries.get(seq);
    if (entry === undefined) {
      entry = { lane, attempts: 0, history: NONE, lease: undefined, dueAt: 0 };
      this.entries.set(seq, entry);
    }
    return entry;
  }

  #settle(lane: Lane, seq: number, r = 0): void {
    let settled = this.settled.get(lane);
    if (settled === undefined) {
      settled = new SettledSet();
      this.settled.set(lane, settled);
    }
    settled.recent.set(seq, r);
    this.entries.delete(seq);
  }

  #restore({ floors, totals, entries, settled }: LedgerState): void {
    this.floors = { ...floors };
    this.totals = { ...totals };
    this.entries.clear();
    this.settled.clear();
    for (const [seq, entry] of entries) this.entries.set(seq, { ...entry });
    for (const [lane, runs] of lanesOf(settled)) this.settled.set(lane, new SettledSet(runs));
  }
}

/** The ledgers that this process reads, and where it writes to them. */
export class Ledgers {
  readonly #requests: ServerRequests;
  readonly #names: Names;
  readonly #ledgers = new Map<string, Ledger>();
  #lostAt = Number.NEGATIVE_INFINITY;

  constructor(requests: ServerRequests, names: Names) {
    this.#requests = requests;
    this.#names = names;
  }

  /**
   * Forgets what was read, since the store has lost records. In a store that fell back the sequences may belong to other
   * messages, so what was not written yet is rejected. In a replaced store all queues begin again, and no ledger counts what
   * is about their earlier lives; writes about the present ones go on, also if the loss is noticed late.
   */
  forget(cause: StoreReset['cause']): void {
    this.#ledgers.clear();
    if (cause === 'replaced') return;
    this.#lostAt = performance.now();
    this.#requests.failPast();
  }

  /**
   * Resolves when the ledger of a queue has all records that were sent before. Receives on a single server do not wait for a
   * reply to theirs. The server refuses this record behind them.
   */
  async catchUp(queue: string): Promise<void> {
    if (this.#requests.connection.isClustered) return;
    const headers = { 'Nats-Expected-Last-Sequence': Number.MAX_SAFE_INTEGER };
    await this.#requests.publish(this.#names.records(queue), '', headers).catch(() => undefined);
  }

  /** The ledger of a queue, read up to now; with `upTo`, at least up to that record, which is cheaper in a cluster. */
  async read(queue: string, inc: string, upTo?: number): Promise<Ledger> {
    let ledger = this.#ledgers.get(queue);
    if (ledger?.inc !== inc) {
      ledger = new Ledger(this.#requests, this.#names, queue, inc);
      if (this.#ledgers.size >= MAX_LEDGERS) this.#ledgers.clear();
      this.#ledgers.set(queue, ledger);
    }
    let last = upTo ?? (await this.#lastOf(queue));
    if (upTo === undefined || ledger.last < upTo) await ledger.sync();
    // Each reply may come from another replica, and one of them may be behind.
    const until = performance.now() + CATCH_UP_MS;
    while (ledger.last < last) {
      await this.#requests.reader.pauseForReplica(until);
      await ledger.sync();
      // A deleted queue has no record any more.
      if (upTo === undefined && ledger.last < last) last = await this.#lastOf(queue);
    }
    return ledger;
  }

  /** The last record of a queue, which a replica may not have yet; 0 where one server has all. */
  async #lastOf(queue: string): Promise<number> {
    if (!this.#requests.connection.isClustered) return 0;
    return this.#requests.reader.lastBySubject(this.#names.ledger, this.#names.records(queue));
  }

  /**
   * Adds a record; the same once, however often it is sent. `since`: when its sequences were read, by `performance.now()`.
   * Rejects with {@link PastLost} if the store has lost writes since: they may belong to other messages now.
   */
  async append(
    queue: string,
    record: LedgerRecord,
    { deadline, since }: { readonly deadline?: number | undefined; readonly since?: number } = {},
  ): Promise<PubAck> {
    if (since !== undefined && since <= this.#lostAt) throw new PastLost();
    const headers = { 'Nats-Msg-Id': `${nonce()}${nonce()}` };
    const bounds = { deadline: deadline ?? performance.now() + APPEND_MS, isOfPast: true };
    return this.#requests.publish(this.#names.records(queue), JSON.stringify(record), headers, bounds);
  }

  /** Adds a record where `last` is the last one; undefined where it is not. */
  async appendAfter(queue: string, record: LedgerRecord, last: number): Promise<PubAck | undefined> {
    const headers = { 'Nats-Expected-Last-Subject-Sequence': last };
    return this.#requests.publishGuarded(this.#names.records(queue), JSON.stringify(record), headers);
  }
}

const MAX_LEDGERS = 1_000;
const CATCH_UP_MS = 30_000;
const APPEND_MS = 30_000;
