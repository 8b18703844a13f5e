/** Looks into a queue for tasks that are waited for: some die, expire or go without a worker that says so. */

import { type BusbarError, toBusbarError } from '../../contract/errors.ts';
import type { BrowsedMessage, Transport } from '../../contract/transport.ts';
import { hasExpired } from './expired.ts';
import { decodeRecord, type TaskRecord, taskKey } from './task-record.ts';
import type { TaskNews } from './task-tracker.ts';

/** What looks stand on. */
export interface LookGround {
  readonly transport: Transport;
  readonly queue: string;
  /** The ids of the tasks that are waited for. */
  readonly followed: () => Iterable<string>;
  /** How many they are. */
  readonly count: () => number;
  readonly tell: (id: string, news: TaskNews) => void;
}

/** How often all are looked for; a millisecond for each, if that is more. */
const LOOK_MS = 1_000;
/** How long looks that are wanted soon are gathered. */
const GATHER_MS = 10;
const MAX_IDS = 500;

/** Looks for the tasks of one queue, one look at a time. */
export class TaskLooks {
  readonly #ground: LookGround;
  readonly #wanted = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #lastFull = 0;
  #isLooking = false;

  constructor(ground: LookGround) {
    this.#ground = ground;
  }

  /** Begins to look every now and then. */
  begin(): void {
    if (this.#timerAt !== Number.POSITIVE_INFINITY || this.#isLooking) return;
    this.#lastFull = performance.now();
    this.#arm(LOOK_MS);
  }

  /** Looks for one in a moment. */
  soon(id: string): void {
    this.#wanted.add(id);
    this.#arm(GATHER_MS);
  }

  forget(id: string): void {
    this.#wanted.delete(id);
  }

  /** Looks no more. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#wanted.clear();
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
    if (this.#isLooking) return;
    this.#isLooking = true;
    const closed = await this.#lookAtAll(this.#take());
    this.#isLooking = false;
    if (!closed && this.#ground.count() > 0) this.#arm(this.#wanted.size > 0 ? GATHER_MS : LOOK_MS);
  }

  /** Whom to look for now. */
  #take(): string[] {
    const now = performance.now();
    // A timer may be early by a little.
    const isFull = now - this.#lastFull >= Math.max(LOOK_MS, this.#ground.count()) - GATHER_MS;
    const ids = [...(isFull ? this.#ground.followed() : this.#wanted)];
    this.#wanted.clear();
    if (isFull) this.#lastFull = now;
    return ids;
  }

  /** Whether the transport is closed. Of that, who waits hears by the watches; of other failures the next look makes good. */
  async #lookAtAll(ids: readonly string[]): Promise<boolean> {
    try {
      for (let start = 0; start < ids.length; start += MAX_IDS) await this.#lookAt(ids.slice(start, start + MAX_IDS));
      return false;
    } catch (error) {
      return toBusbarError(error).code === 'CLOSED';
    }
  }

  async #lookAt(ids: readonly string[]): Promise<void> {
    const places = new Map<string, BrowsedMessage>();
    const { transport, queue } = this.#ground;
    const page = await transport.admin.browse(queue, { ids, limit: MAX_IDS * 2 });
    // A dead letter and a newer message may have one id: the newer one counts.
    for (const browsed of page.messages) {
      if (hasExpired(browsed)) continue;
      const { id } = browsed.message;
      if (browsed.state !== 'dead' || !places.has(id)) places.set(id, browsed);
    }
    await Promise.all(ids.map((id) => this.#tellPlace(id, places.get(id))));
  }

  async #tellPlace(id: string, place: BrowsedMessage | undefined): Promise<void> {
    const { tell, transport } = this.#ground;
    if (place !== undefined && place.state !== 'dead') {
      tell(id, { kind: 'pending' });
      return;
    }
    const entry = await transport.kv.get(taskKey(id));
    const record = entry && readRecord(entry.value, (error) => tell(id, { kind: 'broken', error }));
    if (place !== undefined) {
      const failure = record?.state === 'failed' ? record.failure : undefined;
      tell(id, { kind: 'dead', reason: place.dead?.reason ?? 'unknown', failure });
    } else if (record?.state === 'done' || record?.state === 'cancelled') tell(id, { kind: 'record', record });
    else tell(id, { kind: 'absent' });
  }
}

/** The record that `value` holds; where it holds none, `onError` is told. */
export function readRecord(value: Uint8Array, onError: (error: BusbarError) => void): TaskRecord | undefined {
  try {
    return decodeRecord(value);
  } catch (error) {
    onError(toBusbarError(error));
    return undefined;
  }
}
