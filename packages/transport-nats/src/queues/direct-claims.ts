/** Claims from mailboxes without consumers: messages are read by direct get, and the ledger decides who gets one. */

import type { ReceiveRequest } from '@busbar/api/driver';
import type { Delivery } from '@busbar/api/transport';
import type { Msg } from '@nats-io/transport-node';
import { LEVELS } from '../connection/names.ts';
import { isDenied } from '../errors.ts';
import type { Claimer, PulledMessage } from './claim.ts';
import { laneOf } from './dead-letters.ts';
import type { Ledger } from './ledger.ts';
import type { QueueContext } from './queue-context.ts';
import { FRESH_MS, isMailbox, type KnownQueue } from './queue-record.ts';
import { NO_CONSUMER, parseReceipt } from './receipt.ts';
import { MESSAGE_ID, readDirect, type StoredMessage } from './stored-message.ts';

/** A mailbox with more ready messages, receives at once, or messages a while gets consumers. */
const MAX_READY = 32;
const MAX_CLAIMS = 4;
const MAX_BUSY = 32;
const BUSY_MS = 10_000;
/** The times between looks at a mailbox grow from the first to the last. A change makes them short. */
const CHANGED_LOOK_MS = 4;
const FIRST_LOOK_MS = 500;
const LAST_LOOK_MS = 60_000;
const LOOK_FACTOR = 8;
/** Receivers that know the record of before may claim without the consumers for this long. */
const ASK_MS = FRESH_MS + 2_000;
const MAX_STATES = 20_000;

/** The knowledge of this process about one mailbox. */
interface State {
  readonly inc: string;
  /** All messages before this sequence are settled. */
  from: number;
  /** When a lease or a delay of a message ends, on the clock of the server. */
  dueAt: number;
  /** Until the next look, if nothing happens. */
  lookMs: number;
  claims: number;
  turn: Promise<unknown>;
  busySince: number;
  received: number;
}

/** A receive. */
interface Receiver {
  /** What it heard of and did not see. */
  readonly heard: Set<string>;
  readonly signal: AbortSignal;
}

/** Stored messages of a mailbox that are not settled. */
interface Found {
  readonly ready: readonly PulledMessage[];
  readonly ledger?: Ledger;
  /** A message of a lane that needs its consumer. */
  readonly isHard: boolean;
}

export class DirectClaims {
  readonly #shared: QueueContext;
  readonly #claimer: Claimer;
  readonly #states = new Map<string, State>();

  constructor(shared: QueueContext, claimer: Claimer) {
    this.#shared = shared;
    this.#claimer = claimer;
    shared.requests.connection.onBack(() => this.forget());
  }

  /** Forgets what may differ after a reconnect, or in another store. */
  forget(): void {
    this.#states.clear();
  }

  /** Something has happened to the mailbox. It may not be visible yet, so the looks begin again. */
  hint(name: string): void {
    const state = this.#states.get(name);
    if (state !== undefined) state.lookMs = CHANGED_LOOK_MS;
  }

  /** Up to `max` ready messages, highest level first. Undefined if the mailbox has consumers now. */
  async claim(queue: KnownQueue, request: ReceiveRequest, receiver: Receiver): Promise<Delivery[] | undefined> {
    const state = this.#stateOf(queue);
    state.claims += 1;
    const claimed = state.turn.then(() => this.#claim(queue, state, request, receiver));
    state.turn = claimed.catch(() => undefined);
    try {
      return await claimed;
    } finally {
      state.claims -= 1;
    }
  }

  /** Calls `wake` when it is time for a claim. It looks soon for what the receiver heard of and did not see. */
  watch(queue: KnownQueue, heard: Set<string>, wake: () => void): Disposable {
    const state = this.#stateOf(queue);
    let timer: NodeJS.Timeout | undefined;
    const arm = (): void => {
      if (state.lookMs >= LAST_LOOK_MS) heard.clear();
      const isShort = heard.size > 0;
      const ms = isShort ? state.lookMs : LAST_LOOK_MS;
      state.lookMs = isShort ? ms * LOOK_FACTOR : FIRST_LOOK_MS;
      // The random part spreads the looks of many mailboxes.
      const lookMs = ms * (1 + Math.random());
      const dueMs = Math.max(1, state.dueAt - this.#shared.clock.now);
      timer = isShort && lookMs < dueMs ? setTimeout(look, lookMs) : setTimeout(wake, Math.min(lookMs, dueMs));
      timer.unref();
    };
    const look = (): void => {
      this.#isEmpty(queue, state).then((isEmpty) => (isEmpty && timer !== undefined ? arm() : wake()), wake);
    };
    arm();
    return {
      [Symbol.dispose]: () => {
        clearTimeout(timer);
        timer = undefined;
      },
    };
  }

  /** Tells waiting receives that messages of these receipts are ready again, or have a delay, where no consumer does. */
  async returned(receipts: readonly string[]): Promise<void> {
    const mailboxes = new Map<string, { inc: string; isDirect: boolean }>();
    for (const receipt of receipts) {
      const { queue = '', inc = '', cseq } = parseReceipt(receipt) ?? {};
      const isDirect = cseq === 0 || mailboxes.get(queue)?.isDirect === true;
      if (isMailbox(queue)) mailboxes.set(queue, { inc, isDirect });
    }
    const { requests, names, records, consumers } = this.#shared;
    for (const [name, { inc, isDirect }] of mailboxes) {
      const queue = await records.fresh(name);
      if (queue?.record.inc !== inc || (!isDirect && !queue.record.direct)) continue;
      // Consumers that the mailbox has now keep the messages until the ends of the leases.
      if (!queue.record.direct) await consumers.replace(queue);
      requests.send(names.notice(name));
    }
  }

  async #claim(
    queue: KnownQueue,
    state: State,
    request: ReceiveRequest,
    { heard, signal }: Receiver,
  ): Promise<Delivery[] | undefined> {
    const { ready, ledger, isHard } = await this.#find(queue, state, heard).catch((error: unknown): Found => {
      if (!isDenied(error)) throw error;
      // A user who may read only some queues reads them through consumers.
      return { ready: [], isHard: true };
    });
    const isBusy =
      ready.length > MAX_READY || state.claims > MAX_CLAIMS || this.#isBusy(state, Math.min(ready.length, request.max));
    if (isHard || isBusy) {
      await this.#activate(queue);
      return undefined;
    }
    if (ready.length === 0 || signal.aborted || this.#claimer.isPaused(queue)) return [];
    // A process that was stopped meanwhile goes by an old record.
    if (performance.now() > queue.readAt + 2 * FRESH_MS) return undefined;
    const { leaseMs } = queue.record.settings;
    state.dueAt = Math.min(state.dueAt, this.#shared.clock.late + leaseMs);
    return this.#claimer.accept(queue, ready.slice(0, request.max), request.consumer, { known: ledger });
  }

  async #isEmpty({ name }: KnownQueue, { from }: State): Promise<boolean> {
    const { requests, names } = this.#shared;
    const request = { seq: from, next_by_subj: names.lane(name, '*'), batch: 1 };
    return (await requests.reader.get(names.queues, request)).messages.length === 0;
  }

  /** Reads what is stored, and then the ledger: what was settled meanwhile is settled there. */
  async #find(queue: KnownQueue, state: State, heard: Set<string>): Promise<Found> {
    const { requests, names, ledgers } = this.#shared;
    const stored: { message: Msg; one: ReturnType<typeof readDirect> }[] = [];
    for await (const page of requests.reader.scan(names.queues, names.lane(queue.name, '*'), state.from)) {
      for (const message of page) {
        stored.push({ message, one: readDirect(message) });
        const id = message.headers?.get(MESSAGE_ID);
        if (id) heard.delete(id);
      }
      if (stored.length > MAX_READY * 10) return { ready: [], isHard: true };
    }
    state.dueAt = Number.POSITIVE_INFINITY;
    if (stored.length === 0) return { ready: [], isHard: false };
    const ledger = await ledgers.read(queue.name, queue.record.inc);
    const open = stored.filter(({ one }) => this.#isOpen(queue, ledger, one));
    state.from = open[0]?.one.seq ?? (stored.at(-1)?.one.seq ?? 0) + 1;
    const ready = open.filter(({ one: { seq } }) => {
      const entry = ledger.entries.get(seq);
      const until = Math.max(entry?.dueAt ?? 0, entry?.lease?.end ?? 0);
      if (until <= this.#shared.clock.now) return true;
      state.dueAt = Math.min(state.dueAt, until);
      return false;
    });
    const pulled = ready.map(({ message, one }) => this.#toPulled(queue, message, one));
    const isHard = pulled.some(({ consumer: { lane } }) => !(LEVELS as readonly string[]).includes(lane));
    return { ready: pulled.sort(byRank), ledger, isHard };
  }

  #isOpen(queue: KnownQueue, ledger: Ledger, { subject, seq, envelope: { inc } }: Stored): boolean {
    const lane = laneOf(subject, this.#shared.names);
    const isForeign = inc !== undefined && inc !== queue.record.inc;
    return lane !== 'dead' && !isForeign && !ledger.isSettled(lane, seq);
  }

  /** As of a redelivery, of which the claimer asks the ledger before and after it writes there. */
  #toPulled(queue: KnownQueue, message: Msg, one: Stored): PulledMessage {
    const lane = laneOf(one.subject, this.#shared.names);
    const consumer = { name: NO_CONSUMER, lane, ackWaitMs: queue.record.settings.leaseMs };
    return { message, stored: { ...one, deliveries: 2, cseq: 0 }, at: performance.now(), consumer };
  }

  /** From now on the mailbox has consumers. Messages that others claim without them are asked about in the ledger. */
  async #activate({ name, record: { inc } }: KnownQueue): Promise<void> {
    const { requests, names, records, clock } = this.#shared;
    const last = await requests.reader.lastSequence(names.queues);
    await records.change(name, (record) => {
      if (!record?.direct || record.inc !== inc) return undefined;
      return { ...record, direct: false, uncertainUpTo: last, askUntil: clock.late + ASK_MS };
    });
    records.forget(name);
    requests.send(names.notice(name));
  }

  #isBusy(state: State, count: number): boolean {
    const now = performance.now();
    if (state.busySince + BUSY_MS < now) {
      state.busySince = now;
      state.received = 0;
    }
    state.received += count;
    return state.received > MAX_BUSY;
  }

  #stateOf({ name, record: { inc } }: KnownQueue): State {
    const known = this.#states.get(name);
    if (known?.inc === inc) return known;
    const state: State = {
      ...{ inc, from: 1, dueAt: Number.POSITIVE_INFINITY, lookMs: FIRST_LOOK_MS, claims: 0, turn: Promise.resolve() },
      ...{ busySince: 0, received: 0 },
    };
    if (this.#states.size >= MAX_STATES) this.#states.clear();
    this.#states.set(name, state);
    return state;
  }
}

type Stored = StoredMessage & { readonly subject: string };

function byRank(one: PulledMessage, other: PulledMessage): number {
  return levelOf(one) - levelOf(other) || one.stored.seq - other.stored.seq;
}

function levelOf({ consumer: { lane } }: PulledMessage): number {
  return (LEVELS as readonly string[]).indexOf(lane);
}
