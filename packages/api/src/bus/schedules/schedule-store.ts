/** Reads and changes schedules in the store. */

import type { CallOptions } from '../../contract/call-options.ts';
import type { KvEntry } from '../../contract/kv.ts';
import type { Registry } from '../registry/registry.ts';
import type { BusRuntime } from '../runtime.ts';
import { encodeSchedule, readSchedule, SCHEDULE_PREFIX, type ScheduleRecord, scheduleKey } from './schedule-record.ts';

/** A record and its revision. */
export interface StoredSchedule {
  readonly revision: number;
  readonly record: ScheduleRecord;
}

/** The new record; the given one if it stays as it is. */
type Change = (record: ScheduleRecord | undefined) => Promise<ScheduleRecord | undefined>;

/** The stored schedules of one bus. */
export class ScheduleStore {
  readonly #runtime: BusRuntime;
  readonly #registry: Registry;

  constructor(runtime: BusRuntime, registry: Registry) {
    this.#runtime = runtime;
    this.#registry = registry;
  }

  async read(name: string, call?: CallOptions): Promise<StoredSchedule | undefined> {
    return toStored(await this.#runtime.transport.kv.get(scheduleKey(name), call));
  }

  /** All entries, in order of name. */
  entries(call?: CallOptions): Promise<KvEntry[]> {
    return this.#registry.all(SCHEDULE_PREFIX, call);
  }

  /** Changes a schedule. After a concurrent write `change` is called again, with the new record. */
  async change(name: string, change: Change, call?: CallOptions): Promise<StoredSchedule | undefined> {
    const { kv } = this.#runtime.transport;
    const key = scheduleKey(name);
    for (let entry = await kv.get(key, call); ; ) {
      const old = toStored(entry);
      const record = await change(old?.record);
      if (record === undefined || record === old?.record) return old;
      const result = await kv.put(key, encodeSchedule(record), { ...call, ifRevision: entry?.revision ?? 0 });
      if (result.status === 'stored') return { revision: result.revision, record };
      entry = result.current;
    }
  }

  /** Resolves with false when it did not exist. */
  async delete(name: string, call?: CallOptions): Promise<boolean> {
    return (await this.#runtime.transport.kv.delete(scheduleKey(name), call)).status === 'deleted';
  }
}

function toStored(entry: KvEntry | undefined): StoredSchedule | undefined {
  return entry && { revision: entry.revision, record: readSchedule(entry) };
}
