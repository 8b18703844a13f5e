/** Recognises the past of the store: that it was replaced, that it lost its latest writes, or some of its keys. */

import { type StorePast as Past, StoreWatch } from '@busbar/api/driver';
import { newId, type StoreReset } from '@busbar/api/transport';
import { newHeader, newStoreId } from './store-header.ts';

/** The server forgets a process after ten minutes without maintenance. */
const FORGOTTEN_US = 590_000_000;

/** What the scripts return: see `readPast` in `lua/store-header.ts`. */
export type PastReply = readonly [
  now: Buffer,
  incarnation: Buffer,
  storeId: Buffer,
  ownMark: Buffer,
  latestMark: Buffer,
  isSame: number,
  last: Buffer,
  trimmed: Buffer,
  lost: readonly Buffer[],
];

/** A reset, with the range of the log that the store has now. */
export interface FoundReset extends StoreReset {
  readonly last: string;
  readonly trimmed: string;
}

/**
 * Each script that stores data marks the store with a number of this process. A store that lacks the last acknowledged mark has
 * lost it: no other process can hide that, since each writes only its own mark.
 */
export class StorePast {
  /** The name of this process in the store: it waits, marks and maintains under it. */
  readonly process: string = newId().replaceAll('-', '');
  readonly #watch = new StoreWatch();
  readonly #listeners: ((reset: FoundReset) => void)[] = [];
  #storeId = newStoreId();
  #incarnation: string | undefined;
  #confirmed = 0;
  #latest = 0;
  #lastMark = 0;
  #maintainedAt = '';
  #isReported = false;
  /** The clock of the server less the clock of this process, in microseconds. */
  #clockUs = 0;
  #lost: ReadonlyMap<string, number> | undefined;
  #range = { last: '0-0', trimmed: '0-0' };

  constructor() {
    this.#watch.onReset((reset) => this.#report(reset));
  }

  /** The id of the store in positions. */
  get storeId(): string {
    return this.#storeId;
  }

  /** The past as every process sees it. */
  get past(): Past {
    return { incarnation: this.#incarnation, counter: Math.max(this.#latest, this.#confirmed) };
  }

  onReset(listener: (reset: FoundReset) => void): void {
    this.#listeners.push(listener);
  }

  /** What `readPast` takes. */
  args(): readonly (string | number)[] {
    const { format, incarnation } = newHeader();
    return [this.process, this.#maintainedAt, format, this.#storeId, this.#incarnation ?? '', incarnation];
  }

  /** A new connection: the store may be another one. */
  connected(): void {
    this.#isReported = false;
  }

  /** An entry had a later value before this connection, so the store lost writes of other processes. */
  fellBack(): void {
    if (!this.#isReported) this.#report({ cause: 'rolled-back' });
  }

  /** The number of the next write: at least the time of the server, so that it rises over restarts of processes too. */
  nextMark(): number {
    this.#lastMark = Math.max(
      this.#lastMark + 1,
      this.#confirmed + 1,
      Math.floor(performance.now() * 1000 + this.#clockUs),
    );
    return this.#lastMark;
  }

  /** The server has acknowledged the write with this number. */
  confirm(mark: number): void {
    this.#confirmed = Math.max(this.#confirmed, mark);
    this.#watch.confirm(mark);
  }

  /** Maintenance noted and marked this process at that time; empty if the namespace has no data. */
  maintained(at: string): void {
    this.#maintainedAt = at;
    this.confirm(Number(at));
  }

  /** Compares what the store says with what is known. Call it in the order of the replies of the connection. */
  observe([now, incarnation, storeId, ownMark, latestMark, isSame, last, trimmed, lost]: PastReply): void {
    const latest = Number(latestMark);
    const isForgotten = Number(ownMark) === 0 && (isSame === 1 || latest - this.#confirmed > FORGOTTEN_US);
    const counter = isForgotten ? this.#confirmed : Number(ownMark);
    this.#clockUs = Number(now) - performance.now() * 1000;
    this.#incarnation = String(incarnation) || undefined;
    this.#storeId = String(storeId) || this.#storeId;
    this.#confirmed = counter;
    this.#latest = latest;
    this.#range = { last: String(last), trimmed: String(trimmed) };
    this.#watch.observe({ incarnation: this.#incarnation, counter });
    this.#observeLosses(lost);
  }

  #observeLosses(fields: readonly Buffer[]): void {
    const before = this.#lost;
    const lost = new Map<string, number>();
    for (let at = 0; at + 1 < fields.length; at += 2) lost.set(String(fields[at]), Number(fields[at + 1]));
    this.#lost = lost;
    if (before === undefined) return;
    const found = [...lost].map(([what, count]) => [what, count - (before.get(what) ?? 0)] as const);
    const texts = found.filter(([, count]) => count > 0).map(([what, count]) => `${what}: ${count}`);
    if (texts.length > 0) this.#report({ cause: 'damaged', detail: texts.join(', ') });
  }

  #report(reset: StoreReset): void {
    this.#isReported = true;
    for (const listener of this.#listeners) listener({ ...reset, ...this.#range });
  }
}
