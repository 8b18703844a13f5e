/** Keeps the stream short: now and then it writes a snapshot, and purges what that makes superfluous. */

import { headers, type MsgHdrs } from '@nats-io/transport-node';
import type { Link } from './link.ts';
import { FORM } from './record.ts';
import type { Replica } from './replica.ts';
import { PLACES } from './state/history.ts';
import { sizeOfSnapshot, takeSnapshot } from './state/snapshot.ts';

/** A snapshot is worth its while when so much was written since the last, or as much as that one took. */
const MIN_BYTES = 8 * 1024 * 1024;
const MIN_RECORDS = 20_000;
/** How many records, and how many for so many bytes that there are, until the state is weighed again. */
const WEIGH_RECORDS = 256;
const WEIGH_BYTES = 65_536;
/** Far below the least that a server must take. */
const MESSAGE_BYTES = 262_144;
/** The record that is one too many makes its author begin; the others wait for that. */
const OTHERS_MS = 5_000;

/** The janitor of one transport. */
export class Janitor {
  readonly #replica: Replica;
  #bytes = 0;
  #records = 0;
  #weighAt = WEIGH_RECORDS;
  #lastSize = 0;
  /** Bytes of the snapshot that somebody is writing. */
  #size = 0;
  #work: Promise<void> | undefined;
  #later: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(replica: Replica) {
    this.#replica = replica;
    replica.observe({
      ready: () => undefined,
      used: () => undefined,
      moved: (bytes, isOwn, kind) => (kind === 'record' ? this.#count(bytes, isOwn) : this.#note(bytes, kind)),
      reloaded: () => undefined,
    });
  }

  /** Writes a snapshot now: most of what is in the stream is superfluous. */
  async tidy(): Promise<void> {
    await this.#work;
    this.#begin();
    await this.#work;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#later);
    await this.#work;
  }

  /** Somebody writes a snapshot: the others let it. Once it is whole, what comes counts for the next. */
  #note(bytes: number, kind: 'piece' | 'mark'): void {
    if (kind === 'piece') {
      this.#size += bytes;
      if (this.#work === undefined) this.#wait();
      return;
    }
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#lastSize = this.#size;
    this.#size = 0;
    this.#bytes = 0;
    this.#records = 0;
    this.#weighAt = WEIGH_RECORDS;
  }

  #wait(): void {
    if (this.#isClosed) return;
    this.#later ??= setTimeout(() => this.#beginLate(), OTHERS_MS * (1 + Math.random())).unref();
  }

  #beginLate(): void {
    this.#later = undefined;
    if (this.#isDue) this.#begin();
  }

  get #isDue(): boolean {
    return this.#bytes > Math.max(MIN_BYTES, this.#lastSize) || this.#records > MIN_RECORDS || this.#hasShrunk();
  }

  /** Most of what the last snapshot took is gone by now. Looked at less often the more there is to count. */
  #hasShrunk(): boolean {
    if (this.#lastSize < MIN_BYTES || this.#records < this.#weighAt) return false;
    const size = sizeOfSnapshot(this.#replica.state);
    this.#weighAt = this.#records + Math.max(WEIGH_RECORDS, size / WEIGH_BYTES);
    return size * 4 < this.#lastSize;
  }

  #count(bytes: number, isOwn: boolean): void {
    this.#bytes += bytes;
    this.#records += 1;
    if (!this.#isDue || this.#work !== undefined || this.#isClosed) return;
    if (isOwn && this.#later === undefined) this.#begin();
    else this.#wait();
  }

  #begin(): void {
    this.#work ??= this.#write()
      .catch(() => this.#wait()) // Somebody was faster, or the server does not take it now.
      .finally(() => {
        this.#work = undefined;
      });
  }

  /** Pieces, then the mark that makes them a snapshot, unless another was faster; only then what is in it goes. */
  async #write(): Promise<void> {
    const { facts, isCurrent, link, manager, markAt, names, sequence, state } = this.#replica;
    if (!isCurrent) return;
    const isVain = (): boolean =>
      this.#isClosed || !this.#replica.isCurrent || this.#replica.markAt !== markAt || this.#replica.facts !== facts;
    const pieces = takeSnapshot(state);
    const { last, trimmed } = state.history;
    const events = trimmed === last ? sequence + 1 : Math.floor(trimmed / PLACES);
    const places: number[][] = [];
    for (const piece of pieces) {
      const found: number[] = [];
      for (let at = 0; at < piece.length; at += MESSAGE_BYTES) {
        if (isVain()) return;
        found.push(await publish(link, names.piece, piece.subarray(at, at + MESSAGE_BYTES)));
      }
      places.push(found);
    }
    if (isVain()) return;
    await publish(link, names.mark, JSON.stringify({ v: FORM, upTo: sequence, pieces: places }), markAt);
    if (!link.isUp) return;
    for (const filter of [names.log, names.piece, names.mark]) {
      await manager.streams.purge(names.stream, { filter, seq: sequence + 1 });
    }
    if (events > 0) await manager.streams.purge(names.stream, { filter: names.events, seq: events });
  }
}

/** Stores a message; resolves with its place. Rejects where `after` is not the newest one of its subject any more. */
async function publish(link: Link, subject: string, data: Uint8Array | string, after?: number): Promise<number> {
  const options = { timeout: 10_000, ...(after !== undefined && { headers: expecting(after) }) };
  const answer = await link.connection.request(subject, data, options);
  const { seq, error } = answer.json<{ seq?: number; error?: { err_code: number } }>();
  if (seq === undefined) throw new Error(`the stream refused a snapshot (${error?.err_code})`);
  return seq;
}

function expecting(last: number): MsgHdrs {
  const expected = headers();
  expected.set('Nats-Expected-Last-Subject-Sequence', String(last));
  return expected;
}
