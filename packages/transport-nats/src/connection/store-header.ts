/** The header of a namespace, from which each client recognises the past of its store. */

import {
  type StoreHeader as Basis,
  checkStoreFormat,
  newStoreHeader,
  type StorePast,
  StoreWatch,
  type WorkFailures,
} from '@busbar/api/driver';
import { newId, type StoreReset } from '@busbar/api/transport';
import { toDriverError } from '../errors.ts';
import { raiseRevisions } from '../kv/revisions.ts';
import { sequenceOf } from './message-headers.ts';
import type { Names } from './names.ts';
import { pause } from './pause.ts';
import type { ServerClock } from './server-clock.ts';
import type { ServerRequests } from './server-requests.ts';
import { checkBounds, type StreamsState, streamInfo } from './streams.ts';

/** The fields of the header. */
export interface StoreHeader extends Basis {
  /** Changes when a stream was deleted or the keys were purged. */
  readonly copy: string;
  /** The streams, and their last sequences when the server started last. */
  readonly streams: StreamsState;
  /** The start of the server that `streams` belongs to. */
  readonly server: string;
}

/** A reset, and what the store has now: its topics, and the last of their events that it has kept. */
export interface FoundReset extends StoreReset {
  readonly storeId: string;
  readonly lastEvent: number;
}

/** What clients tell each other after a check. */
type Found = Pick<StoreHeader, 'incarnation' | 'copy' | 'server'> & { readonly last: StreamsState['last'] };

/** The version that this transport reads and writes. */
const FORMAT = 1;
/** One client checks the store at most this often, and tells the others. */
const CHECK_MS = 4_000;
/** The random part of the wait. The first client to check is far before the second, however many there are. */
const SPREAD_MS = 5_000;
const MANY_CLIENTS = 10_000;
const SOON_MS = 200;
const RETRY_MS = 1_000;

interface Parts {
  readonly requests: ServerRequests;
  readonly names: Names;
  readonly clock: ServerClock;
  /** Creates missing streams again. */
  readonly restore: () => Promise<StreamsState>;
  /** Drops what the ledgers have of messages that are lost. */
  readonly repair: () => Promise<void>;
  readonly failures: WorkFailures;
}

/** Reads the header, writes a missing one, and compares it with what this process knew. */
export class StoreHeaders {
  readonly #parts: Parts;
  readonly #watch = new StoreWatch();
  #header: StoreHeader | undefined;
  /** The log of topics has kept its sequences: an operator has cleared the store, or purged streams. */
  #isIntact = false;
  /** The sequences that were confirmed before the last reconnect and not compared yet. */
  readonly #before = new Map<string, number>();
  #onReset: (reset: FoundReset) => void = () => undefined;
  #checking: Promise<void> | undefined;
  #reconnects = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Reads the header. Rejects with CONFLICT if a newer version has written it. */
  static async open(parts: Parts): Promise<StoreHeaders> {
    const headers = new StoreHeaders(parts);
    await headers.#check(false);
    return headers;
  }

  /** Checks the store after each reconnect, and every few seconds. Calls `onReset` before waiting requests go on. */
  watch(onReset: (reset: FoundReset) => void): void {
    this.#onReset = onReset;
    const { requests, names } = this.#parts;
    this.#watch.onReset((reset) => this.#reset(reset));
    requests.onMissing((isFull) => this.check(isFull));
    requests.connection.onBack(() => this.#back());
    requests.connection.client.subscribe(names.past, {
      callback: (error, message) => {
        if (error === null) this.#hear(message.json<Found>());
      },
    });
    this.#checkIn(nextCheckMs());
  }

  /** The header as it was read last. */
  get present(): StoreHeader {
    if (this.#header === undefined) throw new Error('the header was not read');
    return this.#header;
  }

  /** The id of the store in positions of topics. */
  get storeId(): string {
    return this.present.streams.storeId;
  }

  /** The start of the server. */
  get run(): string {
    return this.present.server;
  }

  get past(): StorePast | undefined {
    return this.#watch.past;
  }

  /** Begins another incarnation. */
  async renew(): Promise<void> {
    for (;;) {
      const { header, seq } = (await this.#read()) ?? {};
      const { incarnation } = newStoreHeader(FORMAT);
      if (header === undefined || (await this.#write({ ...header, incarnation }, seq ?? 0))) break;
    }
    await this.check(false);
    this.#tell();
  }

  /** Compares the store with what this process knew. `isFull`: the streams too, not only the header. Never rejects. */
  check(isFull: boolean): Promise<void> {
    this.#checking ??= this.#checkSafely(isFull).finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #checkSafely(isFull: boolean): Promise<void> {
    try {
      for (;;) {
        const reconnects = this.#reconnects;
        await this.#check(isFull);
        if (reconnects === this.#reconnects) return;
      }
    } catch (error) {
      if (this.#isClosed) return;
      this.#parts.failures.report('check of the store', toDriverError(error));
      this.#checkIn(RETRY_MS * (1 + Math.random()));
      await pause(SOON_MS);
    }
  }

  async #check(isFull: boolean): Promise<void> {
    const { requests, names, clock, restore, repair } = this.#parts;
    for (;;) {
      const confirmed = new Map([...this.#before, ...requests.confirmed]);
      const found = await this.#read();
      const header = found?.header;
      const isSameRun = header?.server === this.#server;
      if (isSameRun && !isFull) return this.#observe(header);
      const streams = await restore();
      // A direct get may reach a replica that is behind.
      const { state } = await streamInfo(requests, clock, names.kv, names.revisions, checkBounds());
      const hasKeys = state.subjects?.[names.revisions] !== undefined;
      const isWhole = header?.streams.created === streams.created && hasKeys;
      // What was confirmed before another start of the server is compared with what the server had then.
      const isBack = (!isSameRun || header.server === this.#header?.server) && isBehind(streams, confirmed);
      if (isSameRun && isWhole && !isBack) return this.#observe(header);
      // Later revisions are above all earlier ones, also above those that the store has lost.
      await raiseRevisions(requests, names, Math.floor(clock.late * 1_000), checkBounds());
      if (header !== undefined) await repair();
      const copy = header !== undefined && isWhole && !isBack ? header.copy : newId();
      const present = { ...(header ?? newStoreHeader(FORMAT)), copy, streams, server: this.#server };
      if (!(await this.#write(present, found?.seq ?? 0)) || !isBack) continue;
      this.#before.clear();
      requests.confirmed.clear();
    }
  }

  #observe(header: StoreHeader): void {
    const { requests } = this.#parts;
    const isBack = this.#header?.server !== header.server && isBehind(header.streams, this.#before);
    const { incarnation, copy } = header;
    this.#isIntact = !isBack && (this.#header?.copy === copy || this.#hasSameLog(header));
    this.#header = header;
    const known = this.#watch.past;
    const isSame = known?.incarnation === incarnation && known.copy === copy;
    if (!isBack && isSame) for (const [stream, seq] of this.#before) requests.noteSequence({ stream, seq });
    this.#before.clear();
    for (const each of header.streams.last) requests.noteSequence(each);
    const counter = [...requests.confirmed.values()].reduce((sum, end) => sum + end, 0);
    if (isBack && isSame) this.#watch.relay({ cause: 'rolled-back' }, { incarnation, copy, counter });
    else this.#watch.observe({ incarnation, copy, counter });
  }

  /** Whether the log of topics is as this client has read it: its stream and its server are the same. A purge keeps sequences. */
  #hasSameLog({ server, streams }: StoreHeader): boolean {
    const known = this.#header;
    return server !== '' && known?.server === server && known.streams.storeId === streams.storeId;
  }

  #reset(reset: StoreReset): void {
    const { storeId, last } = this.present.streams;
    const { topics } = this.#parts.names;
    const kept = last.find(({ stream }) => stream === topics)?.seq ?? 0;
    this.#onReset({ ...reset, storeId, lastEvent: this.#isIntact ? Number.POSITIVE_INFINITY : kept });
  }

  /** The start of the server. In a cluster the streams live on several, so that only their loss begins another one. */
  get #server(): string {
    const { client, isClustered } = this.#parts.requests.connection;
    return isClustered ? '' : (client.info?.server_id ?? '');
  }

  #back(): void {
    this.#reconnects += 1;
    const { confirmed } = this.#parts.requests;
    for (const [stream, seq] of confirmed) this.#before.set(stream, Math.max(seq, this.#before.get(stream) ?? 0));
    confirmed.clear();
  }

  #tell(): void {
    const { requests, names } = this.#parts;
    const { incarnation, copy, server } = this.present;
    const last = [...requests.confirmed].map(([stream, seq]) => ({ stream, seq }));
    requests.send(names.past, JSON.stringify({ incarnation, copy, server, last } satisfies Found));
  }

  /** Another client has checked the store: this one need not. */
  #hear({ incarnation, copy, server, last }: Found): void {
    const known = this.present;
    if (known.incarnation !== incarnation || known.copy !== copy || known.server !== server) {
      this.#checkIn(SOON_MS * Math.random());
      return;
    }
    for (const each of last) this.#parts.requests.noteSequence(each);
    this.#checkIn(nextCheckMs());
  }

  #checkIn(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#checkNow(), ms);
    this.#timer.unref();
  }

  async #checkNow(): Promise<void> {
    if (this.#parts.requests.connection.isUp) {
      await this.check(true);
      if (!this.#isClosed) this.#tell();
    }
    this.#checkIn(nextCheckMs());
  }

  async #read(): Promise<{ readonly header: StoreHeader; readonly seq: number } | undefined> {
    const { requests, names } = this.#parts;
    const message = await requests.reader.last(names.ledger, names.header, checkBounds());
    if (message === undefined) return undefined;
    const header = message.json<StoreHeader>();
    checkStoreFormat(header.format, FORMAT, 'the namespace');
    return { header, seq: sequenceOf(message) };
  }

  async #write(header: StoreHeader, last: number): Promise<boolean> {
    const { requests, names } = this.#parts;
    const headers = { 'Nats-Expected-Last-Subject-Sequence': last, 'Nats-Rollup': 'sub' };
    const ack = await requests.publishGuarded(names.header, JSON.stringify(header), headers, checkBounds());
    return ack !== undefined;
  }
}

/** Short waits are rare: among many clients each one is told of the first check before its own is due. */
function nextCheckMs(): number {
  return CHECK_MS + (SPREAD_MS * Math.log(1 + Math.random() * MANY_CLIENTS)) / Math.log(1 + MANY_CLIENTS);
}

/** Whether the streams ended before sequences that they had confirmed. */
function isBehind({ last }: StreamsState, confirmed: ReadonlyMap<string, number>): boolean {
  return last.some(({ stream, seq }) => (confirmed.get(stream) ?? 0) > seq);
}
