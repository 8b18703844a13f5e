/** Handles of tasks: status, progress, result, cancel. */

import type { CallOptions } from '../../contract/call-options.ts';
import { BusbarError, invalid } from '../../contract/errors.ts';
import {
  checkBoolean,
  checkDuration,
  checkOptions,
  checkSignal,
  checkText,
  describe,
  MAX_DURATION_MS,
} from '../../contract/validation.ts';
import { BoundedWait } from '../bounded-wait.ts';
import { isWaiting } from '../flows/awaited-child.ts';
import type { CancelReason } from '../flows/cancel-waiting.ts';
import type { BodyCodec, EncodedBody } from '../messages/body-codec.ts';
import { requestCancel } from './cancel-request.ts';
import { ConflatedChannel } from './conflated-channel.ts';
import { readParts } from './result-parts.ts';
import { resultOf, TaskFollower } from './task-follower.ts';
import { decodeRecord, taskKey } from './task-record.ts';
import { deadOf, isEnd, pendingOf } from './task-state.ts';
import type { TaskStore } from './task-store.ts';
import type { TaskTracker, TrackedTask } from './task-tracker.ts';

/**
 * The state of a task. `delayed`: also between two attempts. `waiting`: for its children. `dead`: a dead letter. `unknown`: there
 * is no trace of it; it expired, was purged, its result is no longer stored, or it never existed.
 */
export type TaskStatus = 'queued' | 'delayed' | 'waiting' | 'running' | 'done' | 'dead' | 'cancelled' | 'unknown';

/** How long to wait for a result. */
export interface ResultOptions {
  /** 1 or more, Infinity for no limit. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How to cancel a task. */
export interface CancelOptions extends CallOptions {
  /** Also cancels a task that was started. Default false. */
  readonly running?: boolean | undefined;
  /** For its handler and for those who wait for its result, at most 2,000 characters. */
  readonly reason?: string | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const BOUNDS = ['timeoutMs', 'signal'];

/** One task. `bus.task(queue, id)` makes another handle of it, in any process, also after a restart. */
export interface TaskHandle<R = unknown, P = unknown> {
  /** The id of the task and of its message: the queue, `#`, and the dedupe key or a UUID; with `dedupeUntilDone` the key, `#` and 8 digits. */
  readonly id: string;
  readonly queue: string;
  /** Whether the queue had this task already, so that `enqueue` stored nothing. */
  readonly isDuplicate: boolean;
  /** The state of the task now. */
  status(options?: CallOptions): Promise<TaskStatus>;
  /** The latest progress of the handler, then each later one, until the task ends. A slow reader gets the latest only. */
  progress(options?: { readonly signal?: AbortSignal | undefined }): AsyncGenerator<P, void, void>;
  /**
   * Waits for the task to end and returns the value of its handler. Rejects with:
   * - HANDLER_FAILED: it is a dead letter; the last error is the `cause`. So is a result that JSON or the limit of a body
   *   refuses.
   * - ABORTED: it was cancelled.
   * - TIMEOUT: it did not end in time.
   * - NOT_FOUND: there is no trace of it.
   */
  result(options?: ResultOptions): Promise<R>;
  /**
   * Cancels the task before a worker starts it, and of a flow the children that wait. Resolves with false when it was started, has ended or does not exist.
   * Rejects with UNSUPPORTED when the transport lacks the feature `cancel`.
   *
   * With `running` it also cancels a task that was started: the signal of its handler fires, and the task ends as cancelled.
   * Resolves when the task has ended: with false if it ended otherwise. Rejects with TIMEOUT if no worker has ended it in time;
   * for an hour, the first worker that has the task still does.
   */
  cancel(options?: CancelOptions): Promise<boolean>;
  /**
   * Sets when the task may start: milliseconds from now, or a time; a time in the past means now. Resolves with false when
   * it was started, has ended or does not exist. Rejects with UNSUPPORTED when the transport lacks the feature `cancel`.
   */
  reschedule(when: number | Date, options?: CallOptions): Promise<boolean>;
}

/** What a handle of a task works with. */
export interface TaskHandleDependencies<R> {
  readonly transport: TaskStore;
  readonly bodyCodec: Pick<BodyCodec, 'decode'>;
  /** Finds the tracker of a queue. A tracker that was idle may have been dropped. */
  trackerOf(queue: string): TaskTracker;
  /** Checks the decoded result of a task. */
  toResult(value: unknown, id: string): R | Promise<R>;
  /** Checks a decoded value of the progress of a task. */
  toProgress(value: unknown, id: string): unknown;
  /** Cancels a task before a worker starts it. Resolves with false when it was started, has ended or does not exist. */
  cancelWaiting(id: string, options: CancelReason): Promise<boolean>;
}

/** The handle of one task, over a transport. */
export class TaskHandleImpl<R> implements TaskHandle<R> {
  readonly id: string;
  readonly queue: string;
  readonly isDuplicate: boolean;
  readonly #dependencies: TaskHandleDependencies<R>;
  readonly #since: number | undefined;

  /** `source`: when this call stored the task (see `since` of a tracked task); or it found it stored, or got only its id. */
  constructor(dependencies: TaskHandleDependencies<R>, id: string, source: number | 'duplicate' | 'id') {
    this.#dependencies = dependencies;
    this.id = id;
    this.queue = queueOfTask(id);
    this.isDuplicate = source === 'duplicate';
    this.#since = typeof source === 'number' ? source : undefined;
  }

  async status(options?: CallOptions): Promise<TaskStatus> {
    checkOptions(options, BOUNDS, 'status options');
    const { transport } = this.#dependencies;
    const { admin, kv } = transport;
    const { messages } = await admin.browse(this.queue, { ...options, ids: [this.id] });
    const pending = pendingOf(messages);
    if (pending?.state === 'ready') return 'queued';
    if (pending?.state === 'leased') return 'running';
    if (pending !== undefined) return (await isWaiting(transport, pending, options)) ? 'waiting' : 'delayed';
    const entry = await kv.get(taskKey(this.id), options);
    const record = entry && decodeRecord(entry.value);
    const dead = deadOf(messages, record, this.#since);
    if (record !== undefined && isEnd(record, dead)) return record.state;
    return dead === undefined ? 'unknown' : 'dead';
  }

  async *progress(options?: { readonly signal?: AbortSignal | undefined }): AsyncGenerator<unknown, void, void> {
    checkOptions(options, ['signal'], 'progress options');
    checkSignal(options?.signal);
    const event = new ConflatedChannel<EncodedBody>();
    const follower = this.#follow((body) => event.put(body));
    void follower.ended.then(
      () => event.end(),
      (error) => event.fail(error),
    );
    const wait = this.#wait({ ...options, timeoutMs: Number.POSITIVE_INFINITY });
    try {
      for (;;) {
        const next = await wait.race(event.next());
        if (next === undefined) return;
        yield await this.#dependencies.toProgress(await this.#dependencies.bodyCodec.decode(next), this.id);
      }
    } finally {
      wait.end();
      follower.leave();
    }
  }

  async result(options?: ResultOptions): Promise<R> {
    checkOptions(options, BOUNDS, 'result options');
    checkDuration(options?.timeoutMs, 'timeoutMs', { min: 1, max: MAX_DURATION_MS, infinity: true });
    checkSignal(options?.signal);
    const follower = this.#follow(() => undefined);
    const wait = this.#wait(options);
    try {
      const result = resultOf(this.id, await wait.race(follower.ended));
      const body = await wait.race(readParts(this.#dependencies.transport.kv, result));
      return await this.#dependencies.toResult(await this.#dependencies.bodyCodec.decode(body), this.id);
    } finally {
      wait.end();
      follower.leave();
    }
  }

  async cancel(options: CancelOptions = {}): Promise<boolean> {
    checkOptions(options, [...BOUNDS, 'running', 'reason'], 'cancel options');
    const { running = false, reason, ...bounds } = options;
    checkBoolean(running, 'running');
    checkText(reason, 'reason', 2000);
    const { cancel } = this.#dependencies.transport.capabilities.features;
    const isCancelled =
      (cancel || !running) && (await this.#dependencies.cancelWaiting(this.id, { reason, ...bounds }));
    if (isCancelled) return true;
    return running && this.#cancelRunning(reason, bounds);
  }

  async #cancelRunning(reason: string | undefined, bounds: CallOptions): Promise<boolean> {
    const { transport } = this.#dependencies;
    const { messages } = await transport.admin.browse(this.queue, { ...bounds, ids: [this.id] });
    const pending = pendingOf(messages);
    if (pending === undefined) return false;
    const { sentAt } = pending.message;
    const follower = this.#follow(() => undefined);
    const wait = this.#wait(bounds);
    try {
      const withdraw = await requestCancel(transport, this.id, { sentAt, reason }, bounds);
      const { state } = await wait.race(follower.ended);
      await withdraw();
      return state === 'cancelled';
    } finally {
      wait.end();
      follower.leave();
    }
  }

  async reschedule(when: number | Date, options?: CallOptions): Promise<boolean> {
    const delayMs = delayOf(when, 'when');
    const [outcome] = await this.#dependencies.transport.admin.reschedule(this.queue, [this.id], delayMs, options);
    return outcome?.status === 'done';
  }

  #follow(onProgress: (body: EncodedBody) => void): TaskFollower {
    const task: TrackedTask = { id: this.id, since: this.#since };
    return new TaskFollower(this.#dependencies.trackerOf(this.queue), task, onProgress);
  }

  #wait({ timeoutMs: waitMs = DEFAULT_TIMEOUT_MS, signal }: ResultOptions = {}): BoundedWait {
    const late = (): BusbarError =>
      new BusbarError('TIMEOUT', `the task ${JSON.stringify(this.id)} did not end in time`, {
        hint: 'Wait longer with timeoutMs, or check that a worker processes its queue.',
      });
    return new BoundedWait({ waitMs, signal, timeoutError: late });
  }
}

/** The queue in the id of a task. Throws INVALID_ARGUMENT. */
export function queueOfTask(id: unknown): string {
  const end = typeof id === 'string' ? id.indexOf('#') : -1;
  if (typeof id === 'string' && end > 0 && end < id.length - 1) return id.slice(0, end);
  throw invalid(`illegal task id: ${describe(id)}`, 'Use the id of a handle: the queue, #, and a key.');
}

/** The time until `when`. Throws INVALID_ARGUMENT unless it is a duration or a valid date. */
export function delayOf(when: number | Date, name: string): number {
  if (when instanceof Date && !Number.isNaN(when.getTime())) {
    const delayMs = Math.max(0, when.getTime() - Date.now());
    if (delayMs <= MAX_DURATION_MS) return delayMs;
    throw invalid(`${name} is too far away: ${when.toISOString()}`, 'A task can wait for ten years at most.');
  }
  if (when instanceof Date || when === undefined)
    throw invalid(`${name} is not a time`, 'Pass milliseconds or a Date.');
  checkDuration(when, name, { min: 0, max: MAX_DURATION_MS });
  return when;
}
