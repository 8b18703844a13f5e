/** Watches tasks of one queue for all tickets of one bus: few watches and one look for many who wait. */

import { BusbarError, toBusbarError } from '../../contract/errors.ts';
import type { KvChange, KvWatch, Transport } from '../../contract/transport.ts';
import type { FailureRecord } from '../consuming/failure.ts';
import { readRecord, TaskLooks } from './task-poller.ts';
import { type TaskRecord, taskKey, taskOfKey } from './task-record.ts';

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

/** A task to follow. */
export interface Followed {
  readonly id: string;
  /** Whether it was put in by this bus just now, so that it need not be looked for: its record, if there is one, says all. */
  readonly isNew: boolean;
}

/** Gets the news of one task, in order. */
export type OnNews = (news: TaskNews) => void;

/** Up to so many tasks have a watch each; beyond that one watch sees the whole queue. */
const MAX_WATCHES = 8;

/** The tasks of one queue that are followed. */
export class TaskWatch {
  readonly #transport: Transport;
  readonly #queue: string;
  readonly #followers = new Map<string, Set<OnNews>>();
  /** By the id they are for; '' for the whole queue. */
  readonly #watches = new Map<string, Promise<KvWatch>>();
  /** Those that are open: what they tell at the beginning is told. */
  readonly #open = new Set<string>();
  readonly #looks: TaskLooks;

  constructor(transport: Transport, queue: string) {
    this.#transport = transport;
    this.#queue = queue;
    const followed = (): Iterable<string> => this.#followers.keys();
    const tell = (id: string, news: TaskNews): void => this.#tell(id, news);
    this.#looks = new TaskLooks({ transport, queue, followed, count: () => this.#followers.size, tell });
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
  follow({ id, isNew }: Followed, onNews: OnNews): () => void {
    const followers = this.#followers.get(id) ?? new Set();
    this.#followers.set(id, followers.add(onNews));
    const key = this.#watch(id);
    this.#looks.begin();
    if (!isNew) this.#looks.soon(id);
    else if (this.#open.has(key)) void this.#readRecord(id);
    return () => this.#leave(id, onNews);
  }

  #leave(id: string, onNews: OnNews): void {
    const followers = this.#followers.get(id);
    followers?.delete(onNews);
    if (followers?.size === 0) {
      this.#followers.delete(id);
      this.#looks.forget(id);
      this.#unwatch(id);
    }
    if (!this.isIdle) return;
    this.#unwatch('');
    this.#looks.end();
  }

  #tell(id: string, news: TaskNews): void {
    for (const onNews of this.#followers.get(id) ?? []) onNews(news);
  }

  /** Sees to a watch over the task, and says which it is. */
  #watch(id: string): string {
    const known = ['', id].find((key) => this.#watches.has(key));
    if (known !== undefined) return known;
    const key = this.#watches.size < MAX_WATCHES ? id : '';
    const prefix = taskKey(key === '' ? `${this.#queue}#` : key);
    const watch = this.#transport.kv.watch(prefix, (changes) => this.#hear(changes));
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
    // Not awaited: leaving may happen inside of the watch's own handler.
    watch?.then((opened) => opened.close()).catch(() => undefined);
  }

  /** A watch ended that was not closed here: those who stand on it cannot go on. */
  #watchEnded(key: string, watch: Promise<KvWatch>, error: BusbarError | undefined): void {
    if (this.#watches.get(key) !== watch) return;
    this.#watches.delete(key);
    this.#open.delete(key);
    const cause = error ?? new BusbarError('CLOSED', 'the transport was closed', { hint: 'Open a new one.' });
    const ids = key === '' ? [...this.#followers.keys()] : [key];
    for (const id of ids) this.#tell(id, { kind: 'broken', error: cause });
  }

  #hear(changes: readonly KvChange[]): void {
    for (const change of changes) {
      if (change.kind !== 'put') continue;
      const id = taskOfKey(change.entry.key);
      if (this.#followers.has(id)) this.#tellRecord(id, change.entry.value);
    }
  }

  /** A record that was there before the watch told of this task to nobody. What fails here, the next look makes good. */
  async #readRecord(id: string): Promise<void> {
    const entry = await this.#transport.kv.get(taskKey(id)).catch(() => undefined);
    if (entry !== undefined) this.#tellRecord(id, entry.value);
  }

  #tellRecord(id: string, value: Uint8Array): void {
    const record = readRecord(value, (error) => this.#tell(id, { kind: 'broken', error }));
    if (record === undefined) return;
    this.#tell(id, { kind: 'record', record });
    if (record.state === 'failed') this.#looks.soon(id);
  }
}
