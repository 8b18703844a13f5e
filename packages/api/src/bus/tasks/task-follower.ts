/** Follows one task to its end, for one handle. */

import { BusbarError } from '../../contract/errors.ts';
import { type FailureRecord, fromFailureRecord } from '../consuming/failure.ts';
import type { EncodedBody } from '../messages/body-codec.ts';
import type { TaskRecord, TaskResult } from './task-record.ts';
import { GONE_LOOKS, GONE_MS } from './task-state.ts';
import type { TaskEvent, TaskTracker, TrackedTask } from './task-tracker.ts';

/** How a task ended. */
export type TaskEnd =
  | { readonly state: 'done'; readonly body: TaskResult }
  | { readonly state: 'dead'; readonly reason: string; readonly failure: FailureRecord | undefined }
  | { readonly state: 'cancelled'; readonly reason: string | undefined }
  /** There is no trace of it: it expired, was purged, has no stored result, or never existed. */
  | { readonly state: 'unknown' };

/** Follows one task until it ends, or until {@link TaskFollower.leave}. */
export class TaskFollower {
  /** Resolves with the end of the task. Rejects when it cannot be tracked any more. */
  readonly ended: Promise<TaskEnd>;
  readonly #ending = Promise.withResolvers<TaskEnd>();
  readonly #onProgress: (body: EncodedBody) => void;
  readonly #unfollow: () => void;
  #absentSince: number | undefined;
  #revision = 0;
  #isOver = false;

  constructor(tracker: TaskTracker, task: TrackedTask, onProgress: (body: EncodedBody) => void) {
    this.ended = this.#ending.promise;
    this.ended.catch(() => undefined);
    this.#onProgress = onProgress;
    this.#unfollow = tracker.follow(task, (event) => this.#onEvent(event));
  }

  /** Stops following. `ended` stays pending. */
  leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#unfollow();
  }

  #onEvent(event: TaskEvent): void {
    if (this.#isOver) return;
    if (event.kind !== 'absent') this.#absentSince = undefined;
    switch (event.kind) {
      case 'absent':
        this.#onAbsent(event.lookMs);
        break;
      case 'broken':
        this.leave();
        this.#ending.reject(event.error);
        break;
      case 'dead':
        this.#end({ state: 'dead', reason: event.reason, failure: event.failure });
        break;
      case 'record':
        this.#onRecord(event.record, event.revision);
    }
  }

  /** A watch and a read can find the same record. */
  #onRecord(record: TaskRecord, revision: number): void {
    if (revision === this.#revision) return;
    this.#revision = revision;
    if (record.state === 'running') this.#onProgress(record.body);
    else if (record.state === 'done') this.#end({ state: 'done', body: record.body });
    else if (record.state === 'cancelled') this.#end({ state: 'cancelled', reason: record.reason });
  }

  #onAbsent(lookMs: number): void {
    const now = performance.now();
    this.#absentSince ??= now;
    if (now - this.#absentSince >= GONE_MS + GONE_LOOKS * lookMs) this.#end({ state: 'unknown' });
  }

  #end(end: TaskEnd): void {
    this.leave();
    this.#ending.resolve(end);
  }
}

/** The result of a task that is done. Throws the matching error for another end. */
export function resultOf(id: string, end: TaskEnd): TaskResult {
  const task = `the task ${JSON.stringify(id)}`;
  switch (end.state) {
    case 'done':
      return end.body;
    case 'dead':
      throw new BusbarError('HANDLER_FAILED', `${task} died: ${end.reason}`, {
        cause: end.failure === undefined ? new Error(end.reason) : fromFailureRecord(end.failure),
        hint: 'Its dead letter has the history of its attempts. bus.deadLetters(queue).redrive() retries it.',
      });
    case 'cancelled':
      throw new BusbarError('ABORTED', `${task} was cancelled${end.reason === undefined ? '' : `: ${end.reason}`}`);
    case 'unknown':
      throw new BusbarError('NOT_FOUND', `there is no trace of ${task}`, {
        hint: 'It expired, was purged, or its result is no longer stored: see resultTtlMs.',
      });
  }
}
