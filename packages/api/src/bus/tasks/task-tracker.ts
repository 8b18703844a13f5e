/** Tracks the tasks of a queue for all handles of one bus: a few watches and one poll serve many waiting callers. */

import type { BrowsedMessage } from '../../contract/admin.ts';
import { BusbarError, toBusbarError } from '../../contract/errors.ts';
import type { KvChange, KvEntry, KvWatch } from '../../contract/kv.ts';
import { Deadline, DeadlineQueue } from '../../driver-kit/deadline-queue.ts';
import type { FailureRecord } from '../consuming/failure.ts';
import type { BusPart, Shutdown } from '../shutdown.ts';
import { decodeRecord, type TaskRecord, taskKey, taskOfKey } from './task-record.ts';
import { deadOf, isEnd, pendingOf } from './task-state.ts';
import type { TaskStore } from './task-store.ts';

/** A change of one task. */
export type TaskEvent =
  /** Its worker wrote a record. */
  | { readonly kind: 'record'; readonly record: TaskRecord; readonly revision: number }
  /** It is in the queue. */
  | { readonly kind: 'pending' }
  /** It is a dead letter; `failure` is the error of its last attempt, if a worker recorded it. */
  | { readonly kind: 'dead'; readonly reason: string; readonly failure: FailureRecord | undefined }
  /** It is neither in the queue nor has a record, as a look of `lookMs` at the store found. */
  | { readonly kind: 'absent'; readonly lookMs: number }
  /** It cannot be tracked any more. */
  | { readonly kind: 'broken'; readonly error: BusbarError };

/** A task to track. */
export interface TrackedTask {
  readonly id: string;
  /**
   * When this bus stored it, by `Date.now()`; 0 without a dedupe key; undefined if this bus did not store it. Then only its record
   * matters, and it is not polled at first. An older dead letter is of another task with the same dedupe key.
   */
  readonly since: number | undefined;
}

/** Receives the events of one task, in order. */
export type OnTaskEvent = (event: TaskEvent) => void;

/** Those who follow one task. */
interface Followers {
  readonly all: Set<OnTaskEvent>;
  since: number | undefined;
}

/** Up to this many tasks have a watch each; further tasks share one watch of the whole queue. */
const MAX_WATCHES = 8;
/** The interval between polls of all tasks; longer for more than 1,000 tasks, 1 ms for each. */
const POLL_MS = 1_000;
/** How long tasks that need a poll soon are collected. */
const GATHER_MS = 10;
const MAX_IDS = 500;

/** The tasks that a {@link TaskPoller} polls. */
interface PollerPlan {
  readonly transport: TaskStore;
  readonly queue: string;
  /** By the id of the task. */
  readonly followers: ReadonlyMap<string, unknown>;
  /** When a task was stored, if that is known. */
  readonly sinceOf: (id: string) => number | undefined;
  readonly emit: (id: string, event: TaskEvent) => void;
}

/** Polls the tasks of one queue: a task can die, expire or disappear without a record of a worker. */
class TaskPoller {
  readonly #plan: PollerPlan;
  readonly #soon = new Set<string>();
  readonly #deadlines = new DeadlineQueue();
  readonly #next = new Deadline(() => void this.#poll());
  #lastFullAt = 0;
  #isPolling = false;

  constructor(plan: PollerPlan) {
    this.#plan = plan;
  }

  /** Starts polling all tasks regularly. */
  start(): void {
    if (this.#next.at !== Number.POSITIVE_INFINITY || this.#isPolling) return;
    this.#lastFullAt = performance.now();
    this.#arm(POLL_MS);
  }

  pollSoon(id: string): void {
    this.#soon.add(id);
    this.#arm(GATHER_MS);
  }

  forget(id: string): void {
    this.#soon.delete(id);
  }

  stop(): void {
    this.#deadlines.cancel(this.#next);
    this.#soon.clear();
  }

  #arm(ms: number): void {
    if (performance.now() + ms < this.#next.at) this.#deadlines.setIn(this.#next, ms);
  }

  async #poll(): Promise<void> {
    if (this.#isPolling) return;
    this.#isPolling = true;
    const isClosed = await this.#pollAll(this.#take());
    this.#isPolling = false;
    if (!isClosed && this.#plan.followers.size > 0) this.#arm(this.#soon.size > 0 ? GATHER_MS : POLL_MS);
  }

  /** The ids to poll now. */
  #take(): string[] {
    const now = performance.now();
    const { followers } = this.#plan;
    // A timer can fire slightly early.
    const isFull = now - this.#lastFullAt >= Math.max(POLL_MS, followers.size) - GATHER_MS;
    const ids = [...(isFull ? followers.keys() : this.#soon)];
    this.#soon.clear();
    if (isFull) this.#lastFullAt = now;
    return ids;
  }

  /** Returns whether the transport is closed; the watches report that. After other failures the next poll tries again. */
  async #pollAll(ids: readonly string[]): Promise<boolean> {
    try {
      for (let start = 0; start < ids.length; start += MAX_IDS) await this.#pollPage(ids.slice(start, start + MAX_IDS));
      return false;
    } catch (error) {
      return toBusbarError(error).code === 'CLOSED';
    }
  }

  async #pollPage(ids: readonly string[]): Promise<void> {
    const { transport, queue } = this.#plan;
    const since = performance.now();
    const page = await transport.admin.browse(queue, { ids, limit: MAX_IDS * 2 });
    // A dead letter and a newer message can have the same id.
    const found = new Map<string, BrowsedMessage[]>(ids.map((id) => [id, []]));
    for (const browsed of page.messages) found.get(browsed.message.id)?.push(browsed);
    await Promise.all([...found].map(([id, all]) => this.#emitState(id, all, since)));
  }

  async #emitState(id: string, messages: readonly BrowsedMessage[], since: number): Promise<void> {
    const { emit, transport, sinceOf } = this.#plan;
    if (pendingOf(messages) !== undefined) {
      emit(id, { kind: 'pending' });
      return;
    }
    const entry = await transport.kv.get(taskKey(id));
    const record = entry && readRecord(entry.value, (error) => emit(id, { kind: 'broken', error }));
    const letter = deadOf(messages, record, sinceOf(id));
    if (record !== undefined && isEnd(record, letter)) {
      emit(id, { kind: 'record', record, revision: entry?.revision ?? 0 });
    } else if (letter !== undefined) {
      const isItsOwn = record?.state === 'failed' && record.sentAt === letter.message.sentAt;
      const failure = isItsOwn ? record.failure : undefined;
      emit(id, { kind: 'dead', reason: letter.dead?.reason ?? 'unknown', failure });
    } else emit(id, { kind: 'absent', lookMs: performance.now() - since });
  }
}

/** Tracks tasks of one queue. */
export class TaskTracker {
  readonly #transport: TaskStore;
  readonly #queue: string;
  readonly #followers = new Map<string, Followers>();
  /** Watches by the id of their task; '' for the whole queue. */
  readonly #watches = new Map<string, Promise<KvWatch>>();
  /** The keys of open watches: their initial entries were delivered. */
  readonly #open = new Set<string>();
  readonly #poller: TaskPoller;

  constructor(transport: TaskStore, queue: string) {
    this.#transport = transport;
    this.#queue = queue;
    const emit = (id: string, event: TaskEvent): void => this.#emit(id, event);
    const sinceOf = (id: string): number | undefined => this.#followers.get(id)?.since;
    this.#poller = new TaskPoller({ transport, queue, followers: this.#followers, sinceOf, emit });
  }

  get isIdle(): boolean {
    return this.#followers.size === 0;
  }

  /** Ends the tracking of all tasks with `error`. */
  break(error: BusbarError): void {
    for (const id of [...this.#followers.keys()]) this.#emit(id, { kind: 'broken', error });
  }

  /** Passes events of a task to `onEvent` until the returned function is called. The present state comes first. */
  follow({ id, since }: TrackedTask, onEvent: OnTaskEvent): () => void {
    const followers: Followers = this.#followers.get(id) ?? { all: new Set(), since: undefined };
    followers.all.add(onEvent);
    followers.since = since ?? followers.since;
    this.#followers.set(id, followers);
    const key = this.#watch(id);
    this.#poller.start();
    if (since === undefined) this.#poller.pollSoon(id);
    else if (this.#open.has(key)) void this.#readRecord(id);
    return () => this.#unfollow(id, onEvent);
  }

  #unfollow(id: string, onEvent: OnTaskEvent): void {
    const followers = this.#followers.get(id);
    followers?.all.delete(onEvent);
    if (followers?.all.size === 0) {
      this.#followers.delete(id);
      this.#poller.forget(id);
      this.#unwatch(id);
    }
    if (!this.isIdle) return;
    this.#unwatch('');
    this.#poller.stop();
  }

  #emit(id: string, event: TaskEvent): void {
    for (const onEvent of this.#followers.get(id)?.all ?? []) onEvent(event);
  }

  /** Ensures a watch of the task and returns its key. */
  #watch(id: string): string {
    const known = ['', id].find((key) => this.#watches.has(key));
    if (known !== undefined) return known;
    const key = this.#watches.size < MAX_WATCHES ? id : '';
    const prefix = taskKey(key === '' ? `${this.#queue}#` : key);
    const watch = this.#transport.kv.watch(prefix, (changes) => this.#onChanges(changes));
    this.#watches.set(key, watch);
    watch.then(
      (opened) => this.#watchOpened(key, watch, opened),
      (error: unknown) => this.#watchEnded(key, watch, toBusbarError(error)),
    );
    return key;
  }

  #watchOpened(key: string, watch: Promise<KvWatch>, opened: KvWatch): void {
    if (this.#watches.get(key) === watch) this.#open.add(key);
    void opened.ended.then((error) => this.#watchEnded(key, watch, error));
  }

  #unwatch(key: string): void {
    const watch = this.#watches.get(key);
    this.#watches.delete(key);
    this.#open.delete(key);
    // Not awaited: this can run in the watch's own callback.
    watch?.then((opened) => opened.close()).catch(() => undefined);
  }

  /** A watch ended that was not closed here. Its tasks cannot be tracked any more. */
  #watchEnded(key: string, watch: Promise<KvWatch>, error: BusbarError | undefined): void {
    if (this.#watches.get(key) !== watch) return;
    this.#watches.delete(key);
    this.#open.delete(key);
    const cause = error ?? new BusbarError('CLOSED', 'the transport was closed', { hint: 'Open a new one.' });
    const ids = key === '' ? [...this.#followers.keys()] : [key];
    for (const id of ids) this.#emit(id, { kind: 'broken', error: cause });
  }

  #onChanges(changes: readonly KvChange[]): void {
    for (const change of changes) {
      if (change.kind !== 'put') continue;
      const id = taskOfKey(change.entry.key);
      if (this.#followers.has(id)) this.#emitRecord(id, change.entry);
    }
  }

  /** Reads a record that an open watch delivered before this task was tracked. After a failure the next poll reads it. */
  async #readRecord(id: string): Promise<void> {
    const entry = await this.#transport.kv.get(taskKey(id)).catch(() => undefined);
    if (entry !== undefined) this.#emitRecord(id, entry);
  }

  #emitRecord(id: string, { value, revision }: KvEntry): void {
    const record = readRecord(value, (error) => this.#emit(id, { kind: 'broken', error }));
    if (record === undefined) return;
    this.#emit(id, { kind: 'record', record, revision });
    if (record.state === 'failed') this.#poller.pollSoon(id);
  }
}

/** The trackers of one bus, one per queue. */
export class TaskTrackers implements BusPart {
  readonly #transport: TaskStore;
  readonly #trackers = new Map<string, TaskTracker>();

  constructor(transport: TaskStore, shutdown: Pick<Shutdown, 'add'>) {
    this.#transport = transport;
    shutdown.add('services', this);
  }

  /** The tracker of `queue`. Idle trackers are dropped. */
  of(queue: string): TaskTracker {
    const known = this.#trackers.get(queue);
    if (known !== undefined) return known;
    for (const [name, tracker] of this.#trackers) if (tracker.isIdle) this.#trackers.delete(name);
    const tracker = new TaskTracker(this.#transport, queue);
    this.#trackers.set(queue, tracker);
    return tracker;
  }

  /** Waits for results and progress reject with CLOSED. */
  async close(): Promise<void> {
    for (const tracker of this.#trackers.values()) tracker.break(new BusbarError('CLOSED', 'the bus is closed'));
  }
}

function readRecord(value: Uint8Array, onError: (error: BusbarError) => void): TaskRecord | undefined {
  try {
    return decodeRecord(value);
  } catch (error) {
    onError(toBusbarError(error));
    return undefined;
  }
}
