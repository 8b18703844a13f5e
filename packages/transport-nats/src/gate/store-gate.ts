/** The gate of the namespace: a record in the ledger that changes by compare and set, and a fence on the server. */

import {
  Condition,
  changeGate,
  checkGate,
  checkGateRevision,
  type GateChange,
  gateAt,
  gateClosed,
  isClosed,
  OPEN_GATE,
  type StoredGate,
} from '@busbar/api/driver';
import type { Msg } from '@nats-io/transport-node';
import { sequenceOf } from '../connection/message-headers.ts';
import type { Names } from '../connection/names.ts';
import { pause } from '../connection/pause.ts';
import type { Bounds } from '../connection/request-inbox.ts';
import type { ServerClock, Standstill } from '../connection/server-clock.ts';
import type { ServerRequests } from '../connection/server-requests.ts';
import { isDenied } from '../errors.ts';
import { findEarlier, type RefusedWrite } from './earlier-sending.ts';
import { Fence } from './fence.ts';
import { configOf, streamSubjects } from './stream-subjects.ts';

/** The gate as the ledger has it. */
interface GateRecord extends StoredGate, Standstill {
  /** The revision at which the gate closed last. It names the fence. */
  readonly fence?: number | undefined;
  /** Tells this write from those of others. */
  readonly nonce?: string | undefined;
}

const FIRST: GateRecord = { ...OPEN_GATE, stoppedMs: 0 };

interface Parts {
  readonly requests: ServerRequests;
  readonly names: Names;
  readonly clock: ServerClock;
}

/** A change of the gate. */
export interface GateStep {
  readonly gate: StoredGate;
  /** Whether the store was open before, and is closed now. */
  readonly isClosing: boolean;
  /** False for a change to a state with an end: it has a longer time than wanted, for what is left to do. */
  readonly isComplete: boolean;
}

/** One of many clients lets a gate fall back; the others see it. */
const SPREAD_MS = 500;
const RETRY_MS = 50;
/** How long a change may take until the gate falls back, as without a mover. */
const CHANGE_MS = 10_000;
/** How long a search for an earlier sending may take. */
const FIND_MS = 5_000;
const MAX_TIMER_MS = 60_000;

/** The gate as this process knows it. Changes are told to it; the server refuses the writes of one that knows less. */
export class StoreGate {
  readonly #parts: Parts;
  readonly #fence: Fence;
  readonly #listeners = new Set<() => void>();
  readonly #changed = new Condition();
  #record: GateRecord = FIRST;
  #reading: Promise<StoredGate> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#fence = new Fence(parts.requests, parts.names);
    this.onChange(() => this.#changed.notify());
  }

  /** Reads the gate, and follows its changes. */
  static async open(parts: Parts): Promise<StoreGate> {
    const gate = new StoreGate(parts);
    const { requests, names } = parts;
    requests.onRefused({
      refused: (fence, times) => gate.#refused(fence, times),
      findEarlier: (write) => gate.#findEarlier(write),
    });
    requests.connection.onBack(() => void gate.refresh());
    requests.connection.client.subscribe(names.gateNotice, { callback: (_, message) => gate.#hear(message) });
    gate.#observe((await gate.#load()).record);
    return gate;
  }

  /** The gate at this moment, as this process knows it. */
  get present(): StoredGate {
    return this.#record.state === 'open' ? this.#record : gateAt(this.#record, this.#parts.clock.middle);
  }

  get isClosed(): boolean {
    return isClosed(this.present);
  }

  get isOpen(): boolean {
    return this.present.state === 'open';
  }

  /** Calls `listener` at each change. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Rejects with CONFLICT if the gate is closed. One that seems closed is read again. */
  async assertOpen(context?: Bounds): Promise<void> {
    if (this.isClosed) checkGate(await this.read(context));
  }

  /** Resolves with true when the store is open, with false if the bus has moved or the deadline has come. */
  async reopens(deadline: number): Promise<boolean> {
    while (this.isClosed) {
      const leftMs = deadline - performance.now();
      if (this.#isClosed || this.present.state === 'moved' || leftMs <= 0) return false;
      await this.#changed.waitFor(Math.min(leftMs, MAX_TIMER_MS));
    }
    return true;
  }

  /** The gate as it is now. One whose time is over falls back. */
  async read(context?: Bounds): Promise<StoredGate> {
    for (;;) {
      const { record, seq } = await this.#load(context);
      this.#observe(record);
      const { present } = this;
      if (present.revision === record.revision || !isClosed(record)) return present;
      try {
        if (await this.#store(this.#after(record, present), seq, context)) await this.#enforce(context);
      } catch (error) {
        // A client without this permission leaves it to another one.
        if (!isDenied(error)) throw error;
        return present;
      }
    }
  }

  /** Changes the gate. Resolves once the change holds for all clients. */
  async set(change: GateChange, context: Bounds): Promise<GateStep> {
    for (;;) {
      const { record, seq } = await this.#load(context);
      const now = this.#parts.clock.middle;
      const wanted = changeGate(record, change, now);
      const isComplete = wanted.revision === change.ifRevision || wanted.until === Number.POSITIVE_INFINITY;
      const until = isComplete ? wanted.until : Math.max(wanted.until, now + CHANGE_MS);
      const next = this.#after(record, { ...wanted, until });
      if (!(await this.#store(next, seq, context))) continue;
      if (next.revision !== record.revision) await this.#enforce(context, record.fence);
      return { gate: next, isClosing: isClosed(next) && !isClosed(record), isComplete };
    }
  }

  /** Lets the streams take imports at `revision`. Rejects with CONFLICT if the gate has another one. */
  async admit(revision: number): Promise<void> {
    const gate = await this.read();
    checkGateRevision(gate, revision);
    if (isClosed(gate)) await this.#fence.admit(revision);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#changed.notify();
  }

  /** Brings streams with these subjects into the state of the gate: a process that was stopped has changed them. */
  async mend(subjects: readonly (readonly string[])[], context: Bounds): Promise<void> {
    if (this.#fits(subjects)) return;
    try {
      await this.read(context);
      if (!this.#fits(subjects)) await this.#enforce(context);
    } catch (error) {
      // A client without this permission leaves it to another one.
      if (!isDenied(error)) throw error;
    }
  }

  #fits(subjects: readonly (readonly string[])[]): boolean {
    const { names } = this.#parts;
    const revision = isClosed(this.#record) ? this.#record.revision : undefined;
    return streamSubjects(names).every(
      (each, index) => String(configOf(names, each, revision).subjects) === String(subjects[index]),
    );
  }

  /**
   * A fence has refused a write, by its name. Rejects with CONFLICT if the gate is closed. Else the store is about to open, or
   * a process that was stopped has left the fence.
   */
  async #refused(fence: string, times: number): Promise<void> {
    this.#reading ??= this.read().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
    if (isClosed(this.#record)) throw gateClosed(this.#record);
    if (times > 1) {
      await this.#fence.remove(fence);
      await this.#enforce();
    } else await pause(RETRY_MS * (1 + Math.random()));
  }

  /** Whether the closed store has an earlier sending of a write. All that it had taken before is stored first. */
  async #findEarlier(write: RefusedWrite): Promise<number | undefined> {
    const { requests, names } = this.#parts;
    const { revision } = this.#record;
    const bounds = { deadline: performance.now() + FIND_MS };
    await this.#fence.flush(revision, bounds);
    const found = await findEarlier(requests.reader, names, write, bounds);
    // Otherwise the store was open meanwhile.
    return this.isClosed && this.#record.revision === revision ? found : undefined;
  }

  /** Brings the streams into the state of the gate. `last`: the fence before. */
  async #enforce(context?: Bounds, last?: number): Promise<void> {
    const { state, fence, revision } = this.#record;
    if (isClosed({ state }) && fence !== undefined) await this.#fence.close(fence, revision, last, context);
    else await this.#fence.open(fence, context);
    this.#tell();
  }

  #tell(): void {
    const { requests, names } = this.#parts;
    requests.send(names.gateNotice, JSON.stringify(this.#record));
  }

  /** Another client has changed the gate. */
  #hear(message: Msg): void {
    if (message.data.length === 0) return;
    const record = parse(message);
    if (record.revision >= this.#record.revision) this.#observe(record);
  }

  /** The record of the next state. */
  #after(record: GateRecord, { state, revision, movedTo, until }: StoredGate): GateRecord {
    const now = Math.round(this.#parts.clock.middle);
    const { stoppedAt, stoppedMs } = record;
    if (isClosed({ state })) {
      const fence = isClosed(record) ? record.fence : revision;
      return { state, revision, movedTo, until, fence, stoppedAt: stoppedAt ?? now, stoppedMs };
    }
    const stood = stoppedAt === undefined ? 0 : Math.max(0, now - stoppedAt);
    return { state, revision, movedTo, until, fence: record.fence, stoppedMs: stoppedMs + stood };
  }

  #observe(record: GateRecord): void {
    const before = this.#record;
    this.#record = record;
    this.#parts.clock.store.set(record);
    this.#wakeAt(record.until);
    if (record.revision !== before.revision) for (const listener of this.#listeners) listener();
  }

  /** Looks at the gate when its time is over. */
  #wakeAt(until: number): void {
    clearTimeout(this.#timer);
    if (until === Number.POSITIVE_INFINITY || this.#isClosed) return;
    const leftMs = Math.max(1, until - this.#parts.clock.middle);
    this.#timer = setTimeout(
      () => {
        for (const listener of this.#listeners) listener();
        void this.refresh();
      },
      Math.min(leftMs, MAX_TIMER_MS) + Math.random() * SPREAD_MS,
    );
    this.#timer.unref();
  }

  /** Reads the gate again, if it can be read. */
  async refresh(): Promise<void> {
    try {
      await this.read();
    } catch {
      // The next write is refused by the server if it must be.
    }
  }

  async #load(context?: Bounds): Promise<{ readonly record: GateRecord; readonly seq: number }> {
    const { requests, names } = this.#parts;
    const message = await requests.reader.last(names.ledger, names.gate, context);
    return { record: message === undefined ? FIRST : parse(message), seq: sequenceOf(message) };
  }

  /** Stores the record behind the one at `last`; false where another change was first. */
  async #store(next: GateRecord, last: number, context?: Bounds): Promise<boolean> {
    const { requests, names } = this.#parts;
    const headers = { 'Nats-Expected-Last-Subject-Sequence': last, 'Nats-Rollup': 'sub' };
    const record = { ...next, nonce: crypto.randomUUID() };
    const ack = await requests.publishGuarded(names.gate, JSON.stringify(record), headers, context);
    // It may have been this very write whose answer was lost.
    if (ack === undefined && (await this.#load(context)).record.nonce !== record.nonce) return false;
    this.#observe(record);
    this.#tell();
    return true;
  }
}

/** A record in JSON, which has no Infinity: `null` stands for it. */
function parse(message: Msg): GateRecord {
  const record = message.json<Omit<GateRecord, 'until'> & { readonly until: number | null }>();
  return { ...record, until: record.until ?? Number.POSITIVE_INFINITY };
}
