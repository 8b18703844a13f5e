/** The state of a namespace as this process knows it: it reads the log and carries out what it says. */

import type { CallContext } from '@busbar/api/driver';
import { BusbarError, toBusbarError } from '@busbar/api/transport';
import type { JetStreamManager } from '@nats-io/jetstream';
import { type Asked, Author } from './author.ts';
import { Follower, type Stored } from './follower.ts';
import type { Link } from './link.ts';
import type { Names } from './names.ts';
import type { Settings } from './options.ts';
import { RecentEvents } from './recent-events.ts';
import { decodeRecord, type LogRecord } from './record.ts';
import { ServerClock } from './server-clock.ts';
import { apply, type Place, type Results } from './state/apply.ts';
import { PLACES } from './state/history.ts';
import { asOutcome, Namespace } from './state/namespace.ts';
import type { Operation } from './state/operation.ts';
import { loadSnapshot } from './state/snapshot.ts';
import { ensureStream, type Mark, newestMark, type StreamFacts } from './stream.ts';

/** What those around a replica hear of. */
export interface Observer {
  /** Something in `queue` may be delivered now. */
  ready(queue: string): void;
  /** `queue` goes when nothing of it is heard for `expireIdleMs`. */
  used(queue: string, expireIdleMs: number): void;
  /** A record was carried out, or `bytes` of something else went by, which is `kind`. */
  moved(bytes: number, isOwn: boolean, kind: 'record' | 'piece' | 'mark'): void;
  /** The state was read anew: anything may be otherwise now. */
  reloaded(): void;
}

const AGAIN_MS = 250;
const MAX_TRIES = 10;

/** A load under way: records that come before the snapshot they go on from is complete. */
interface Loading extends Mark {
  /** The pieces of the stream by their places. */
  readonly found: Map<number, Uint8Array>;
  readonly waiting: Stored[];
}

/** The state of a namespace as this process knows it. */
export class Replica {
  readonly names: Names;
  readonly recent: RecentEvents = new RecentEvents();
  readonly clock: ServerClock = new ServerClock();
  readonly author: Author;
  readonly manager: JetStreamManager;
  readonly link: Link;
  state: Namespace;
  facts: StreamFacts;
  /** The last record that was carried out. */
  sequence = 0;
  /** Where the newest mark of a snapshot is; 0 before the first. */
  markAt = 0;
  readonly #settings: Settings;
  readonly #own: Buffer;
  readonly #observers: Observer[] = [];
  #loading: Loading | undefined;
  #follower: Follower | undefined;
  #barrierNext: Promise<void> | undefined;
  readonly #waiters = new Set<{ readonly sequence: number; resolve(): void }>();
  #isClosed = false;
  #retry: NodeJS.Timeout | undefined;
  /** Counts the attempts to read the log: only the newest goes on. */
  #run = 0;
  #giveUp: (error: BusbarError) => void = () => undefined;
  #failure: BusbarError | undefined;

  constructor(link: Link, manager: JetStreamManager, names: Names, settings: Settings, facts: StreamFacts) {
    this.link = link;
    this.manager = manager;
    this.names = names;
    this.#settings = settings;
    this.facts = facts;
    this.author = new Author(link.connection, names);
    this.#own = Buffer.from(`{"v":1,"by":"${this.author.id}","n":`);
    this.state = this.#emptyState();
    link.onBack(() => void this.#resume());
    link.onState(({ state }) => state === 'reconnecting' && this.author.down());
  }

  /** Whether the state goes on from what is in the stream now. */
  get isCurrent(): boolean {
    return this.#loading === undefined && this.link.isUp;
  }

  observe(observer: Observer): void {
    this.#observers.push(observer);
  }

  /** Reads the state; resolves once it is complete. */
  async open(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#follow(true, this.#begin());
        return;
      } catch (error) {
        clearTimeout(this.#retry);
        // What was to be read may have been purged meanwhile, since a newer snapshot has it.
        if (tries === MAX_TRIES || !this.link.isUp || toBusbarError(error).code !== 'UNAVAILABLE') throw error;
      }
    }
  }

  /** Asks for `operation`; resolves with what it came to, once it is in the log and was carried out here. */
  ask<O extends Operation>(operation: O, context?: CallContext): Promise<Results[O['op']]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return this.author.ask(operation, context);
  }

  /** Resolves once everything is known here that was acknowledged anywhere before the call. Those of one turn share it. */
  barrier(): Promise<void> {
    this.#barrierNext ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      this.#barrierNext = undefined;
      return this.#catchUp();
    });
    return this.#barrierNext;
  }

  /** Resolves once the record `sequence` was carried out. */
  reached(sequence: number): Promise<void> {
    if (this.sequence >= sequence) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.add({ sequence, resolve }));
  }

  close(): void {
    this.#isClosed = true;
    this.#begin();
    this.author.close();
    for (const { resolve } of this.#waiters) resolve();
    this.#waiters.clear();
  }

  async #catchUp(): Promise<void> {
    if (this.state.agenda.nextAt <= this.state.agenda.probably || !this.link.isUp) {
      await this.ask({ op: 'tick' });
      return;
    }
    try {
      const { state } = await this.manager.streams.info(this.names.stream);
      await this.reached(state.last_seq);
    } catch {
      await this.ask({ op: 'tick' }); // It waits for the server to be back.
    }
  }

  #emptyState(): Namespace {
    const state = new Namespace(this.facts.storeId, this.#settings.retention, {
      ready: (queue) => {
        for (const observer of this.#observers) observer.ready(queue);
      },
      used: (queue, ms) => {
        for (const observer of this.#observers) observer.used(queue, ms);
      },
    });
    state.agenda.guessBy(() => this.clock.now);
    return state;
  }

  /** The connection is there again: goes on behind what was seen last. */
  async #resume(): Promise<void> {
    const run = this.#begin();
    this.author.down();
    try {
      await this.#checkStream(run);
      await this.#follow(this.#loading !== undefined, run);
    } catch (error) {
      if (run === this.#run) this.#tryAgain(error);
    }
  }

  /** Begins to read anew: whatever still tries to, or does, is given up. */
  #begin(): number {
    clearTimeout(this.#retry);
    this.#follower?.stop();
    this.#giveUp(anew());
    this.#run += 1;
    return this.#run;
  }

  #assertNewest(run: number): void {
    if (run !== this.#run) throw anew();
  }

  #tryAgain(error: unknown): void {
    if (this.#isClosed) return;
    const { code } = toBusbarError(error);
    if (code === 'UNSUPPORTED') this.#failure = toBusbarError(error);
    this.#retry = setTimeout(() => {
      if (this.link.isUp) void this.#resume();
    }, AGAIN_MS);
  }

  /** The stream may be another one by now, or gone: then the state begins anew. */
  async #checkStream(run: number): Promise<void> {
    const facts = await ensureStream(this.manager, this.names, this.#settings);
    this.#assertNewest(run);
    if (facts.storeId === this.facts.storeId && facts.lastSequence >= this.sequence) return;
    this.facts = facts;
    this.#loading = emptyLoading();
  }

  async #follow(isLoad: boolean, run: number): Promise<void> {
    let start = this.sequence + 1;
    if (isLoad) {
      const mark = await newestMark(this.manager, this.names);
      this.#assertNewest(run);
      this.#loading = { ...emptyLoading(), ...mark };
      start = this.#loading.upTo + 1;
    }
    await new Promise<void>((resolve, reject) => {
      this.#giveUp = reject;
      const follower = new Follower(this.link.connection, this.manager, this.names.stream, start, {
        record: (stored) => this.#take(stored),
        caughtUp: () => {
          this.#caughtUp();
          resolve();
        },
        broken: (isSilent) => {
          this.author.down();
          if (isSilent) this.link.renew();
          else this.#loading ??= emptyLoading();
          const error = new BusbarError('UNAVAILABLE', 'the log could not be read on');
          reject(error);
          this.#tryAgain(error);
        },
      });
      this.#follower = follower;
      follower.start().catch((error: unknown) => {
        follower.stop();
        reject(error);
      });
    });
  }

  #caughtUp(): void {
    if (this.#loading !== undefined && this.#loading.markAt === 0) this.#finishLoad(this.#loading);
    this.author.up();
    this.link.announceBack();
  }

  #take(stored: Stored): void {
    const loading = this.#loading;
    if (loading === undefined) {
      this.#carryOut(stored);
      return;
    }
    if (stored.subject === this.names.piece) loading.found.set(stored.sequence, stored.data);
    loading.waiting.push(stored);
    if (stored.sequence === loading.markAt) this.#finishLoad(loading);
  }

  /** Replaces the state by the snapshot and what was written since. */
  #finishLoad({ upTo, pieces, found, waiting }: Loading): void {
    const before = this.state;
    this.#loading = undefined;
    this.state = this.#emptyState();
    loadSnapshot(
      this.state,
      pieces.map((places) => Buffer.concat(places.map((place) => found.get(place) ?? missing()))),
    );
    this.author.forget(this.state.authors.get(this.author.id)?.last ?? 0);
    this.sequence = upTo;
    this.markAt = 0;
    this.recent.reset((upTo + 1) * PLACES);
    for (const stored of waiting) this.#carryOut(stored);
    this.#handOver(before);
    for (const observer of this.#observers) observer.reloaded();
  }

  /** Those who watch entries go on with the new state, and hear what is different in it. */
  #handOver(before: Namespace): void {
    const { entries } = this.state;
    for (const watch of before.entries.watches) {
      entries.watches.add(watch);
      for (const key of before.entries.rows.keys()) {
        if (!entries.rows.has(key)) watch.changed({ kind: 'deleted', key, revision: entries.revision });
      }
      for (const { key, revision } of entries.rows.values()) {
        const entry = before.entries.rows.get(key)?.revision === revision ? undefined : entries.get(key);
        if (entry !== undefined) watch.changed({ kind: 'put', entry });
      }
    }
  }

  #carryOut(stored: Stored): void {
    this.sequence = stored.sequence;
    const { agenda } = this.state;
    agenda.advance(stored.at);
    this.clock.heard(agenda.now);
    const isOwn = this.#execute(stored);
    const kind = this.#kindOf(stored);
    if (kind === 'mark') this.markAt = stored.sequence;
    for (const observer of this.#observers) observer.moved(stored.data.length, isOwn, kind);
    for (const waiter of this.#waiters) {
      if (waiter.sequence > this.sequence) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  #kindOf({ subject }: Stored): 'record' | 'piece' | 'mark' {
    if (subject === this.names.piece) return 'piece';
    return subject === this.names.mark ? 'mark' : 'record';
  }

  #execute({ subject, sequence, data }: Stored): boolean {
    if (subject !== this.names.log && subject !== this.names.events) return false;
    const place: Place = { record: sequence, events: 0, isOwn: false };
    const own = this.#ownNumber(data);
    const asked = own === undefined ? undefined : this.author.take(own);
    if (own === undefined || asked === undefined) {
      this.#executeRecord(decodeRecord(data), place);
    } else if (this.state.isNew(this.author.id, own)) {
      this.#executeAsked(asked, place);
    }
    return own !== undefined;
  }

  #executeAsked(all: readonly Asked[], place: Place): void {
    for (const { operation, resolve, reject } of all) {
      try {
        resolve(this.#apply(operation, { ...place, isOwn: true }, place) as never);
      } catch (error) {
        reject(asOutcome(error));
      }
    }
  }

  /** A record of another client, or one of ours that nobody waits for: it is read again after a gap. */
  #executeRecord({ author, number, operations }: LogRecord, place: Place): void {
    if (!this.state.isNew(author, number)) return;
    for (const operation of operations) {
      try {
        this.#apply(operation, place, place);
      } catch (error) {
        asOutcome(error); // Its caller hears of it, elsewhere.
      }
    }
  }

  #apply(operation: Operation, as: Place, place: Place): Results[Operation['op']] {
    const at = { ...as, events: place.events };
    const first = place.record * PLACES + place.events;
    try {
      const result = apply(this.state, operation, at);
      if (operation.op === 'publish') this.#keepRecent(operation, first);
      return result;
    } finally {
      place.events = at.events;
    }
  }

  #keepRecent({ topic, messages }: Extract<Operation, { op: 'publish' }>, first: number): void {
    messages.forEach((message, index) => {
      if (this.state.history.has(first + index)) this.recent.add({ number: first + index, topic, message });
    });
  }

  /** The number of a record that is one of ours. */
  #ownNumber(data: Uint8Array): number | undefined {
    const prefix = this.#own;
    if (data.length <= prefix.length || prefix.compare(data, 0, prefix.length) !== 0) return undefined;
    let number = 0;
    for (let index = prefix.length; ; index += 1) {
      const digit = (data[index] ?? 0) - 48;
      if (digit < 0 || digit > 9) return number;
      number = number * 10 + digit;
    }
  }
}

function emptyLoading(): Loading {
  return { upTo: 0, markAt: 0, pieces: [], found: new Map(), waiting: [] };
}

function anew(): BusbarError {
  return new BusbarError('UNAVAILABLE', 'the log is read anew');
}

function missing(): never {
  throw new BusbarError('INTERNAL', 'a piece of the snapshot in the stream is missing');
}
