/** The line to a hub: one connection at a time, found again when it is lost, and the requests that go over it. */

import { setTimeout as sleep } from 'node:timers/promises';
import { BusbarError, isBusbarError, type StateChange, toBusbarError } from '@busbar/api/transport';
import type { ClientLink } from '../links/link.ts';
import { TimeBound } from '../links/timeout-signal.ts';
import { readError } from '../wire/error-codec.ts';
import { FRAME, type Frame, frame, type Head } from '../wire/frame.ts';
import type { Welcome } from '../wire/protocol.ts';
import { Conversation, type ConversationEvents, type Introduction } from './hub-connection.ts';
import { Pending, type RequestPlan } from './pending-request.ts';

/** What a line is made of. */
export interface LineOptions {
  readonly link: ClientLink;
  readonly introduction: Introduction;
  /** How long opening may take. */
  readonly connectTimeoutMs: number;
  /** Starts a hub where none listens; resolves when it may be tried again. */
  readonly start?: (signal: AbortSignal) => Promise<void>;
}

/** Who hears of a line. */
export interface LineEvents {
  /** There is a new connection: what was asked of the hub before must be asked again, now. */
  onResumed(): void;
  /** A frame of the hub that belongs to no request: a call to serve, or what concerns one. */
  onCall(frame: Frame): void;
  /** The connection is lost. */
  onLost(): void;
}

const MAX_ID = 0xffff_ffff;
/** How often it is looked for requests whose time is up. */
const SWEEP_MS = 250;
/** Pauses between attempts grow from the first to the last, at random so that clients do not come all at once. */
const FIRST_PAUSE_MS = 5;
const LAST_PAUSE_MS = 250;

/** The line to a hub. */
export class HubLine {
  readonly #options: LineOptions;
  readonly #events: LineEvents;
  readonly #pending = new Map<number, Pending>();
  readonly #end = new AbortController();
  #conversation: Conversation | undefined;
  #welcome: Welcome | undefined;
  #lastId = 0;
  #held: (() => void) | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  /** Why a hub that answers is not used. */
  #lesser: BusbarError | undefined;
  #onState: (change: StateChange) => void = () => undefined;
  /** Rises with each connection. */
  epoch = 0;

  constructor(options: LineOptions, events: LineEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** What the hub said when it was first reached. */
  get welcome(): Welcome {
    if (this.#welcome === undefined) throw new TypeError('the line was not opened');
    return this.#welcome;
  }

  get isConnected(): boolean {
    return this.#conversation !== undefined;
  }

  onState(listener: (change: StateChange) => void): void {
    this.#onState = listener;
  }

  /** Reaches the hub for the first time. Rejects with what stands in the way once the time is up. */
  async open(): Promise<void> {
    using bound = new TimeBound(this.#options.connectTimeoutMs, this.#end.signal);
    await this.#connect(bound.signal);
  }

  /** Makes a request; it waits for a connection where there is none. */
  request(plan: RequestPlan): Promise<Frame> {
    return this.track(plan).answer;
  }

  /** The same, for who wants to speak of it while it is under way. */
  track(plan: RequestPlan): { readonly id: number; readonly answer: Promise<Frame>; readonly pending: Pending } {
    this.#release();
    const id = this.#nextId();
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    const pending = new Pending(id, plan, resolve, reject);
    if (this.#end.signal.aborted) reject(closed());
    else if (this.#lesser !== undefined) reject(this.#lesser);
    else {
      this.#pending.set(id, pending);
      if (plan.deadline !== Number.POSITIVE_INFINITY) this.#sweep();
      this.#conversation?.send(pending.toFrame());
    }
    return { id, answer: promise, pending };
  }

  /**
   * Tells the hub that nobody waits for a request any more. It is over once the hub has answered; at once where it was
   * not sent, or where its answer does not matter.
   */
  cancel(id: number, answer: 'matters' | 'is nothing' = 'matters'): void {
    this.#release();
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    pending.isCancelled = true;
    if (pending.sentAt !== undefined && this.#conversation !== undefined) {
      this.#conversation.send(frame(FRAME.cancel, id));
      if (answer === 'matters') return;
    }
    this.#pending.delete(id);
    pending.reject(new BusbarError('ABORTED', 'nobody waits for it any more'));
  }

  /** Sends a frame that waits for no answer; without a connection it is lost. */
  tell(type: Frame['type'], id: number, head?: Head, bodies?: readonly Uint8Array[]): void {
    this.#conversation?.send(frame(type, id, head, bodies));
  }

  /** Has `release` called before anything else is sent, and at the end of this turn at the latest. */
  hold(release: () => void): void {
    this.#release();
    this.#held = release;
    queueMicrotask(() =>
      process.nextTick(() => {
        if (this.#held === release) this.#release();
      }),
    );
  }

  async close(): Promise<void> {
    this.#release();
    this.#end.abort(closed());
    clearTimeout(this.#sweeper);
    const conversation = this.#conversation;
    this.#conversation = undefined;
    for (const pending of this.#takePending()) pending.reject(closed());
    await conversation?.close();
  }

  #release(): void {
    const held = this.#held;
    this.#held = undefined;
    held?.();
  }

  #nextId(): number {
    do this.#lastId = this.#lastId === MAX_ID ? 1 : this.#lastId + 1;
    while (this.#pending.has(this.#lastId));
    return this.#lastId;
  }

  /** Tries until it is connected, a refusal says that trying is of no use, or `signal` fires. */
  async #connect(signal: AbortSignal): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    let last: unknown;
    while (!signal.aborted) {
      try {
        await this.#attempt(signal);
        return;
      } catch (error) {
        last = error;
        if (this.#isFatal(error)) throw error;
      }
      await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      pauseMs = Math.min(LAST_PAUSE_MS, pauseMs * 2);
    }
    throw this.#end.signal.aborted ? closed() : unreachable(this.#options.link.address, last);
  }

  /** On a line that was open before, everything may come right again. */
  #isFatal(error: unknown): boolean {
    if (this.#welcome !== undefined) return false;
    return !isBusbarError(error) || error.code !== 'UNAVAILABLE' || !error.retryable;
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    const { link, introduction, start } = this.#options;
    try {
      const conversation = await Conversation.begin(link, introduction, this.#hearing(), signal);
      this.#took(conversation);
    } catch (error) {
      if (start === undefined || !isBusbarError(error) || error.code !== 'UNAVAILABLE' || signal.aborted) throw error;
      await start(signal);
      this.#took(await Conversation.begin(link, introduction, this.#hearing(), signal));
    }
  }

  #hearing(): ConversationEvents {
    return {
      onFrame: (each) => this.#heard(each),
      onEnd: (conversation, error) => this.#lost(conversation, error),
    };
  }

  #took(conversation: Conversation): void {
    const { welcome } = conversation;
    if (this.#welcome !== undefined) this.#refuseLess(this.#welcome, conversation);
    this.#welcome ??= welcome;
    this.#conversation = conversation;
    this.epoch += 1;
    // What is asked on resuming goes out at once, and must not go out again with what waited.
    const waiting = [...this.#pending.values()];
    this.#events.onResumed();
    for (const pending of waiting) conversation.send(pending.toFrame());
    this.#onState({ state: 'open' });
  }

  /** A hub that came back with less than it had is as good as away: calls fail and say what is missing (rule RA1). */
  #refuseLess(before: Welcome, { welcome, connection }: Conversation): void {
    const now: Readonly<Record<string, boolean>> = { ...welcome.capabilities.features };
    const lost = Object.entries(before.capabilities.features).find(([name, had]) => had && now[name] !== true);
    this.#lesser =
      lost &&
      new BusbarError('UNAVAILABLE', `the hub came back without ${lost[0]}`, {
        hint: 'Start the hub with the store it had, or open the transport anew.',
      });
    if (this.#lesser === undefined) return;
    connection.close();
    for (const pending of this.#takePending()) pending.reject(this.#lesser);
    throw this.#lesser;
  }

  #heard(each: Frame): void {
    const { type, id } = each;
    if (type === FRAME.call || type === FRAME.credit || type === FRAME.cancel) {
      this.#events.onCall(each);
      return;
    }
    const pending = this.#pending.get(id);
    if (type === FRAME.part) pending?.plan.onPart?.(each);
    if (pending === undefined) this.#strayed(each);
    if (type === FRAME.part || pending === undefined) return;
    this.#pending.delete(id);
    if (type === FRAME.answer) pending.resolve(each);
    else pending.reject(readError(each.head));
  }

  /** A cursor that was opened too late is of no use to anybody. */
  #strayed({ type, head }: Frame): void {
    if (type !== FRAME.answer || head['cursor'] === undefined) return;
    const plan = { op: 'cursor.close', head: { cursor: head['cursor'] }, deadline: Number.POSITIVE_INFINITY } as const;
    this.request({ ...plan, whenLost: 'failed' }).catch(() => undefined);
  }

  #lost(conversation: Conversation, error: BusbarError): void {
    if (this.#conversation !== conversation) return;
    this.#conversation = undefined;
    this.epoch += 1;
    const now = performance.now();
    for (const [id, pending] of this.#pending) {
      const failure = pending.lost(now);
      if (failure === undefined) continue;
      this.#pending.delete(id);
      pending.reject(failure);
    }
    this.#events.onLost();
    this.#onState({ state: 'reconnecting', error });
    void this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    await this.#connect(this.#end.signal).catch(() => undefined);
  }

  /** Who waits longer than its time has been told so: what was not sent must not be, and what was is forgotten. */
  #dropLate(): void {
    this.#sweeper = undefined;
    const now = performance.now();
    for (const [id, { plan, sentAt, reject }] of this.#pending) {
      if (plan.deadline > now) {
        if (plan.deadline !== Number.POSITIVE_INFINITY) this.#sweep();
        continue;
      }
      this.#pending.delete(id);
      const outcome = sentAt === undefined ? 'failed' : 'unknown';
      reject(new BusbarError('UNAVAILABLE', 'the hub did not answer in time', { outcome }));
    }
  }

  #sweep(): void {
    this.#sweeper ??= setTimeout(() => this.#dropLate(), SWEEP_MS).unref();
  }

  #takePending(): Pending[] {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    return all;
  }
}

function unreachable(address: string, error: unknown): BusbarError {
  const { message, hint, cause } = toBusbarError(error ?? new Error('it did not answer in time'));
  return new BusbarError('UNAVAILABLE', message.includes(address) ? message : `no hub at ${address}: ${message}`, {
    hint: hint ?? 'Start one with busbar hub.',
    cause: cause ?? error,
  });
}

function closed(): BusbarError {
  return new BusbarError('CLOSED', 'the transport is closed', { outcome: 'unknown', hint: 'Open a new one.' });
}
