/** Fires schedules: sends a message and stores the next planned time. */

import { newId } from '../../contract/id.ts';
import type { BodyCodec } from '../messages/body-codec.ts';
import { NO_ORIGIN } from '../messages/causation.ts';
import type { Operations } from '../operations.ts';
import { plannedTimes } from './planned-times.ts';
import type { ScheduleRecord } from './schedule-record.ts';
import { decodeScheduleBody } from './schedule-spec.ts';
import type { ScheduleStore, StoredSchedule } from './schedule-store.ts';

/** A planned time that is older was missed: a process that was killed, or the server, was away for longer than a lease. */
const MISSED_AFTER_MS = 60_000;

/** Fires the schedules of one bus. */
export class Firing {
  readonly #store: ScheduleStore;
  readonly #codec: BodyCodec;
  readonly #operations: Operations;

  constructor(store: ScheduleStore, codec: BodyCodec, operations: Operations) {
    this.#store = store;
    this.#codec = codec;
    this.#operations = operations;
  }

  /**
   * Fires a schedule if a planned time has come; of several only the last one. The message is sent first: a process that takes
   * over before the next time is stored sends it again, with the same id. Resolves with the state afterwards.
   */
  async due(name: string): Promise<StoredSchedule | undefined> {
    const stored = await this.#store.read(name);
    const now = Date.now();
    if (stored === undefined || stored.record.isPaused || !isDue(stored.record, now)) return stored;
    const { spec, since, nextAt } = stored.record;
    const plannedAt = (await plannedTimes(spec.timing, since)).latest(nextAt, now);
    const isFired = spec.missed === 'once' || now - plannedAt <= MISSED_AFTER_MS;
    if (isFired) await this.#send(name, stored.record, { at: plannedAt, key: new Date(plannedAt).toISOString() });
    return this.#store.change(name, async (record) => {
      if (record === undefined || !isDue(record, plannedAt)) return record;
      const next = (await plannedTimes(record.spec.timing, record.since)).after(plannedAt);
      return { ...record, nextAt: next, lastAt: isFired ? plannedAt : record.lastAt };
    });
  }

  /** Sends a message of a schedule now, and resolves with its id. The planned times stay. */
  now(name: string, { record }: StoredSchedule): Promise<string> {
    return this.#send(name, record, { at: Date.now(), key: newId() });
  }

  async #send(name: string, { spec }: ScheduleRecord, planned: { at: number; key: string }): Promise<string> {
    const { target, message } = spec;
    const body = await decodeScheduleBody(this.#codec, spec);
    const id = `schedule/${name}/${planned.key}`;
    const time = new Date(planned.at).toISOString();
    const options = { ...message, headers: { ...message.headers, 'schedule-name': name, 'schedule-time': time } };
    const { enqueue, publish, send } = this.#operations;
    if ('queue' in target) {
      const handle: { readonly id: string } = await enqueue(NO_ORIGIN, target.queue, body, {
        ...options,
        dedupeKey: id,
      });
      return handle.id;
    }
    if ('topic' in target) return (await publish(NO_ORIGIN, target.topic, body, { ...options, id })).id;
    return (await send(NO_ORIGIN, target.to, target.type, body, { ...options, id })).id;
  }
}

function isDue(record: ScheduleRecord, time: number): record is ScheduleRecord & { readonly nextAt: number } {
  return record.nextAt !== undefined && record.nextAt <= time;
}
