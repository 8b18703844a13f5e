/** The schedules of a bus: messages that are sent at planned times. */

import type { CallOptions } from '../../contract/call-options.ts';
import { BusbarError, invalid } from '../../contract/errors.ts';
import { nearestName } from '../../contract/nearest-name.ts';
import { checkDuration, checkOptions, MAX_DURATION_MS } from '../../contract/validation.ts';
import type { LockHolder } from '../locks/lock.ts';
import type { Locks } from '../locks/locks.ts';
import type { MessageDefinition, QueueDefinition, TopicDefinition } from '../messages/definitions.ts';
import { toBounds } from '../messages/message-options.ts';
import type { Operations } from '../operations.ts';
import type { Registry } from '../registry/registry.ts';
import type { BusRuntime } from '../runtime.ts';
import type { TaskQueues } from '../tasks/task-queue.ts';
import { Firing } from './firing.ts';
import { plannedTimes } from './planned-times.ts';
import {
  checkScheduleName,
  checkScheduleOptions,
  type ScheduleOptions,
  type SchedulerOptions,
} from './schedule-options.ts';
import { readSchedule, type ScheduleInfo, type ScheduleRecord, scheduleAt, toScheduleInfo } from './schedule-record.ts';
import { decodeScheduleBody, toScheduleSpec } from './schedule-spec.ts';
import { ScheduleStore, type StoredSchedule } from './schedule-store.ts';
import { SCHEDULER_LOCK, type Scheduler, SchedulerImpl } from './scheduler.ts';

/**
 * Schedules send messages at planned times. They are stored in the bus, so they outlive all processes. Processes that called
 * {@link Schedules.start} fire them, one at a time. Each message has the headers `schedule-name` and `schedule-time`, the
 * planned time in ISO 8601.
 */
export interface Schedules {
  /**
   * Adds a schedule, or changes it. An equal one stays as it is, so every process can put it when it starts. Other planned
   * times begin now. Rejects with INVALID_ARGUMENT for a bad expression, and for one that never fires.
   */
  put<Q extends string | QueueDefinition, T extends string | TopicDefinition, M extends string | MessageDefinition>(
    name: string,
    options: ScheduleOptions<Q, T, M>,
  ): Promise<ScheduleInfo>;
  /** One schedule; undefined when it does not exist. */
  get(name: string, options?: CallOptions): Promise<ScheduleInfo | undefined>;
  /** All schedules, in order of name. */
  list(options?: CallOptions): Promise<ScheduleInfo[]>;
  /** It does not fire until it is resumed. Rejects with NOT_FOUND. */
  pause(name: string, options?: CallOptions): Promise<ScheduleInfo>;
  /** It fires again at its next planned time. Those of the pause were not missed. Rejects with NOT_FOUND. */
  resume(name: string, options?: CallOptions): Promise<ScheduleInfo>;
  /** Deletes it. Messages that it has sent stay. Resolves with false when it did not exist. */
  delete(name: string, options?: CallOptions): Promise<boolean>;
  /** Sends its message now, also while it is paused, and resolves with the id. Its planned times stay. Rejects with NOT_FOUND. */
  runNow(name: string, options?: CallOptions): Promise<string>;
  /**
   * This process takes part in firing. One process of the store fires at a time; another one goes on when it ends, or
   * `leaseMs` after it was killed. The process stays alive until the scheduler or the bus is closed.
   */
  start(options?: SchedulerOptions): Scheduler;
  /** The bus that fires now; undefined while no process does. */
  holder(options?: CallOptions): Promise<LockHolder | undefined>;
}

/** What the schedules of a bus need. */
export interface ScheduleDependencies {
  readonly runtime: BusRuntime;
  readonly registry: Registry;
  readonly operations: Operations;
  readonly locks: Locks;
  readonly queues: TaskQueues;
}

const DEFAULT_LEASE_MS = 10_000;

/** The schedules of one bus. */
export class SchedulesImpl implements Schedules {
  readonly #runtime: BusRuntime;
  readonly #locks: Locks;
  readonly #queues: TaskQueues;
  readonly #store: ScheduleStore;
  readonly #firing: Firing;
  /** By name: ends the declaration of a schedule that this bus has put. */
  readonly #declared = new Map<string, () => void>();

  constructor({ runtime, registry, operations, locks, queues }: ScheduleDependencies) {
    this.#runtime = runtime;
    this.#locks = locks;
    this.#queues = queues;
    this.#store = new ScheduleStore(runtime, registry);
    this.#firing = new Firing(this.#store, runtime.bodyCodec, operations);
  }

  async put(name: string, options: ScheduleOptions): Promise<ScheduleInfo> {
    this.#runtime.assertSending();
    checkScheduleName(name);
    checkScheduleOptions(options);
    const spec = await toScheduleSpec(this.#runtime.bodyCodec, options);
    if (typeof options.queue === 'object') await this.#queues.prepare(options.queue);
    const fresh = await begin({ spec, since: Date.now(), isPaused: false, nextAt: undefined, lastAt: undefined });
    const change = async (old: ScheduleRecord | undefined): Promise<ScheduleRecord> => {
      if (old === undefined) return fresh;
      if (isSame(old.spec, spec)) return old;
      if (isSame(old.spec.timing, spec.timing)) return { ...old, spec };
      return { ...fresh, isPaused: old.isPaused, lastAt: old.lastAt };
    };
    const stored = await this.#store.change(name, change, toBounds(options));
    this.#declare(name, fresh);
    return this.#found(name, stored);
  }

  async get(name: string, options?: CallOptions): Promise<ScheduleInfo | undefined> {
    checkScheduleName(name);
    const stored = await this.#store.read(name, options);
    return stored && this.#info(name, stored.record);
  }

  async list(options?: CallOptions): Promise<ScheduleInfo[]> {
    const entries = await this.#store.entries(options);
    return Promise.all(entries.map((entry) => this.#info(scheduleAt(entry.key), readSchedule(entry))));
  }

  async pause(name: string, options?: CallOptions): Promise<ScheduleInfo> {
    checkScheduleName(name);
    const change = async (old: ScheduleRecord | undefined): Promise<ScheduleRecord | undefined> =>
      old && !old.isPaused ? { ...old, isPaused: true } : old;
    return this.#found(name, await this.#store.change(name, change, options));
  }

  async resume(name: string, options?: CallOptions): Promise<ScheduleInfo> {
    checkScheduleName(name);
    const change = async (old: ScheduleRecord | undefined): Promise<ScheduleRecord | undefined> => {
      if (!old?.isPaused) return old;
      const times = await plannedTimes(old.spec.timing, old.since);
      return { ...old, isPaused: false, nextAt: times.after(Date.now()) };
    };
    return this.#found(name, await this.#store.change(name, change, options));
  }

  async delete(name: string, options?: CallOptions): Promise<boolean> {
    checkScheduleName(name);
    this.#declared.get(name)?.();
    return this.#store.delete(name, options);
  }

  async runNow(name: string, options?: CallOptions): Promise<string> {
    this.#runtime.assertSending();
    checkScheduleName(name);
    const stored = await this.#store.read(name, options);
    if (stored === undefined) throw await this.#unknown(name);
    return this.#firing.now(name, stored);
  }

  start(options: SchedulerOptions = {}): Scheduler {
    this.#runtime.assertOpen();
    checkOptions(options, ['leaseMs'], 'scheduler options');
    checkDuration(options.leaseMs, 'leaseMs', { min: 50, max: MAX_DURATION_MS });
    const parts = { runtime: this.#runtime, locks: this.#locks, firing: this.#firing };
    return new SchedulerImpl(parts, options.leaseMs ?? DEFAULT_LEASE_MS);
  }

  async holder(options?: CallOptions): Promise<LockHolder | undefined> {
    return this.#locks.holder(SCHEDULER_LOCK, options);
  }

  /** Puts a schedule again after the store has lost it. */
  #declare(name: string, fresh: ScheduleRecord): void {
    this.#declared.get(name)?.();
    const declare = (): Promise<unknown> =>
      this.#store.change(name, async (old) => old ?? begin({ ...fresh, since: Date.now() }));
    this.#declared.set(name, this.#runtime.declarations.add({ kind: 'schedule', schedule: name }, declare));
  }

  async #found(name: string, stored: StoredSchedule | undefined): Promise<ScheduleInfo> {
    if (stored === undefined) throw await this.#unknown(name);
    return this.#info(name, stored.record);
  }

  async #info(name: string, record: ScheduleRecord): Promise<ScheduleInfo> {
    return toScheduleInfo(name, record, await decodeScheduleBody(this.#runtime.bodyCodec, record.spec));
  }

  async #unknown(name: string): Promise<BusbarError> {
    const names = (await this.#store.entries().catch(() => [])).map(({ key }) => scheduleAt(key));
    const near = nearestName(name, names);
    const hint = near === undefined ? 'bus.schedules.list() has all.' : `Did you mean ${JSON.stringify(near)}?`;
    return new BusbarError('NOT_FOUND', `unknown schedule ${JSON.stringify(name)}`, { hint });
  }
}

/** The record with its first planned time. */
async function begin(record: ScheduleRecord): Promise<ScheduleRecord> {
  const { timing } = record.spec;
  const nextAt = (await plannedTimes(timing, record.since)).after(record.since);
  if (nextAt !== undefined) return { ...record, nextAt };
  throw invalid(`the schedule ${JSON.stringify(timing.cron)} never fires`, 'No date fits the expression.');
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
