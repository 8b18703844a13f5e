/** Watches tasks of one queue for all tickets of one bus: few watches and one look for many who wait. */

import { BusbarError, toBusbarError } from '../errors.ts';
import type { BrowsedMessage, EntryChange, Transport, Watch } from '../transport.ts';
import type { FailureRecord } from './failure.ts';
import { decodeRecord, type TaskRecord, taskKey, taskOfKey } from './task-record.ts';

/** What is heard of a task. */
export type TaskNews =
  /** What its worker wrote. */
  | { readonly kind: 'record'; readonly record: TaskRecord }
  /** The queue has it. */
  | { readonly kind: 'pending' }
  /** It is a dead letter; with the error of its last attempt, where a worker wrote it down. */
  | { readonly kind: 'dead'; readonly reason: string; readonly failure: FailureRecord | undefined }
  /** Neither the queue nor a record knows it. */
  | { readonly kind: 'absent' }
  /** It cannot be followed any more. */
  | { readonly kind: 'broken'; readonly error: BusbarError };

/** Gets the news of one task, in order. */
export type OnNews = (news: TaskNews) => void;

/** Up to so many tasks have a watch each; beyond that one watch sees the whole queue. */
const MAX_WATCHES = 8;
/** How often the queue is looked at for tasks that died without a worker saying so; a millisecond for each, if that is more. */
const LOOK_MS = 1_000;
/** How long looks that are wanted soon are gathered. */
const GATHER_MS = 10;
const MAX_IDS = 500;

/** The tasks of one queue that are followed. */
export class TaskWatch {
  readonly #transport: Transport;
  readonly #queue: string;
  readonly #followers = new Map<string, Set<OnNews>>();
  readonly #watches = new Map<string, Promise<Watch>>();
  readonly #wanted = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #nextFullLook = 0;

  constructor(transport: Transport, queue: string) {
    this.#transport = transport;
    this.#queue = queue;
  }

  /** Whether nobody follows anything. */
  get isIdle(): boolean {
    return this.#followers.size === 0;
  }

  /** Ends all that is followed with `error`. */
  break(error: BusbarError): void {
    for (const id of [...this.#followers.keys()]) this.#tell(id, { kind: 'broken', error });
  }

  /** Tells `onNews` of the task until the returned function is called. What is known now comes first. */
  follow(id: string, onNews: OnNews): () => void {
    const followers = this.#followers.get(id) ?? new Set();
    this.#followers.set(id, followers.add(onNews));
    this.#watch(id);
    this.#lookSoon(id);
    return () => this.#leave(id, onNews);
  }

  #leave(id: string, onNews: OnNews): void {
    const followers = this.#followers.get(id);
    followers?.delete(onNews);
    if (followers?.size === 0) {
      this.#followers.delete(id);
      this.#wanted.delete(id);
      this.#unwatch(id);
    }
    if (!this.isIdle) return;
    this.#unwatch('');
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  #tell(id: string, news: TaskNews): void {
    for (const onNews of this.#followers.get(id) ?? []) onNews(news);
  }

  // ------------------------------------------------------------------------------------------------------- records

  #watch(id: string): void {
    if (this.#watches.has('') || this.#watches.has(id)) return;
    const key = this.#watches.size < MAX_WATCHES ? id : '';
    const prefix = taskKey(key === '' ? `${this.#queue}#` : key);
    const watch = this.#transport.entries.watch(prefix, (changes) => this.#hear(changes));
    this.#watches.set(key, watch);
    watch.then(
      (opened) => void opened.ended.then((error) => this.#watchEnded(key, watch, error)),
      (error: unknown) => this.#watchEnded(key, watch, toBusbarError(error)),
    );
  }

  #unwatch(key: string): void {
    const watch = this.#watches.get(key);
    this.#watches.delete(key);
    // Not awaited: leaving may happen inside of the watch's own handler.
    watch?.then((opened) => opened.close()).catch(() => undefined);
  }

  /** A watch ended that was not closed here: those who stand on it cannot go on. */
  #watchEnded(key: string, watch: Promise<Watch>, error: BusbarError | undefined): void {
    if (this.#watches.get(key) !== watch) return;
    this.#watches.delete(key);
    const cause = error ?? new BusbarError('CLOSED', 'the transport was closed', { hint: 'Open a new one.' });
    const ids = key === '' ? [...this.#followers.keys()] : [key];
    for (const id of ids) this.#tell(id, { kind: 'broken', error: cause });
  }

  #hear(changes: readonly EntryChange[]): void {
    for (const change of changes) {
      if (change.kind !== 'put') continue;
      const id = taskOfKey(change.entry.key);
      if (this.#followers.has(id)) this.#tellRecord(id, change.entry.value);
    }
  }

  #tellRecord(id: string, value: Uint8Array): void {
    const record = this.#decode(id, value);
    if (record === undefined) return;
    this.#tell(id, { kind: 'record', record });
    if (record.state === 'failed') this.#lookSoon(id);
  }

  #decode(id: string, value: Uint8Array): TaskRecord | undefined {
    try {
      return decodeRecord(value);
    } catch (error) {
      this.#tell(id, { kind: 'broken', error: toBusbarError(error) });
      return undefined;
    }
  }

  // --------------------------------------------------------------------------------------------------------- looks

  #lookSoon(id: string): void {
    this.#wanted.add(id);
    this.#arm(GATHER_MS);
  }

  #arm(ms: number): void {
    const at = performance.now() + ms;
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => void this.#look(), ms);
  }

  async #look(): Promise<void> {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const isFull = performance.now() >= this.#nextFullLook;
    const ids = [...(isFull ? this.#followers.keys() : this.#wanted)];
    const lookMs = Math.max(LOOK_MS, this.#followers.size);
    this.#wanted.clear();
    if (isFull) this.#nextFullLook = performance.now() + lookMs;
    try {
      for (let start = 0; start < ids.length; start += MAX_IDS) await this.#lookAt(ids.slice(start, start + MAX_IDS));
    } catch (error) {
      // The server may be away: the next look comes anyway. A transport that is closed tells by its watches.
      if (toBusbarError(error).code === 'CLOSED') return;
    }
    if (!this.isIdle) this.#arm(this.#wanted.size > 0 ? GATHER_MS : lookMs);
  }

  async #lookAt(ids: readonly string[]): Promise<void> {
    const places = new Map<string, BrowsedMessage>();
    const page = await this.#transport.admin.browse(this.#queue, { ids, limit: MAX_IDS * 2 });
    // A dead letter and a newer message may have one id: the newer one counts.
    for (const browsed of page.messages) {
      const { id } = browsed.message;
      if (browsed.state !== 'dead' || !places.has(id)) places.set(id, browsed);
    }
    await Promise.all(ids.map((id) => this.#tellPlace(id, places.get(id))));
  }

  async #tellPlace(id: string, place: BrowsedMessage | undefined): Promise<void> {
    if (place !== undefined && place.state !== 'dead') return this.#tell(id, { kind: 'pending' });
    const entry = await this.#transport.entries.get(taskKey(id));
    const record = entry && this.#decode(id, entry.value);
    if (place !== undefined) {
      const failure = record?.state === 'failed' ? record.failure : undefined;
      this.#tell(id, { kind: 'dead', reason: place.dead?.reason ?? 'unknown', failure });
    } else if (record?.state === 'done' || record?.state === 'cancelled') this.#tell(id, { kind: 'record', record });
    else this.#tell(id, { kind: 'absent' });
  }
}
