/** A client of a hub: one connection at a time, which it restores after a loss, and the requests over it. */

import {
  BriefConnections,
  type CallContext,
  ChurnMap,
  DeadlineQueue,
  decodeError,
  StoreWatch,
  WorkFailures,
} from '@busbar/api/driver';
import {
  BusbarError,
  isBusbarError,
  type StateChange,
  type StorePast,
  type StoreReset,
  toBusbarError,
} from '@busbar/api/transport';
import { atTurnEnd, FRAME, type Frame, frame, type Header } from '@busbar/wire';
import type { ClientLink } from '../links/link.ts';
import { withTimeoutSignal } from '../links/timeout-signal.ts';
import type { StoreNotice, Welcome } from '../wire/protocol.ts';
import { type ClientInfo, HubConnection } from './hub-connection.ts';
import { PendingRequest, type RequestSpec } from './pending-request.ts';
import type { ServiceRegistry } from './service-registry.ts';

/** Options of a {@link HubClient}. */
export interface HubClientOptions {
  readonly link: ClientLink;
  readonly info: ClientInfo;
  /** How long opening may take. */
  readonly connectTimeoutMs: number;
  /** Starts a hub if none listens. Resolves when connecting may succeed. */
  readonly start?: ((signal: AbortSignal) => Promise<void>) | undefined;
}

/** The latest reset of the store, for cursors: their positions are of the earlier past. */
export interface StoreLoss extends StoreReset {
  /** Events that were published before are known, in milliseconds since 1970. */
  readonly since: number;
}

const MAX_ID = 0xffff_ffff;
/** The transport rejects an expired call itself; the request is dropped after that. */
const EXPIRY_GRACE_MS = 100;
/** Pauses between attempts grow from the first to the last value. They are random, so that clients spread out. */
const FIRST_PAUSE_MS = 5;
const LAST_PAUSE_MS = 250;

export class HubClient {
  readonly #options: HubClientOptions;
  readonly #services: ServiceRegistry;
  readonly #pending = new ChurnMap<number, PendingRequest>();
  readonly #deadlines = new DeadlineQueue();
  readonly #end = new AbortController();
  readonly #brief = new BriefConnections();
  #connection: HubConnection | undefined;
  #welcome: Welcome | undefined;
  #isDirectAllowed = false;
  #lastId = 0;
  #deferred: (() => void) | undefined;
  /** Set while the hub lacks features that it had before. */
  #downgrade: BusbarError | undefined;
  #onState: (change: StateChange) => void = () => undefined;
  readonly #storeWatch = new StoreWatch();
  #lastReset: StoreLoss | undefined;
  /** When the connection was lost, in milliseconds since 1970. */
  #lostAt = 0;
  /** Failures of background work of the store. */
  readonly failures: WorkFailures = new WorkFailures();
  readonly #resetListeners: ((reset: StoreReset) => void)[] = [];
  /** Counts connections and losses. */
  epoch = 0;

  constructor(options: HubClientOptions, services: ServiceRegistry) {
    this.#options = options;
    this.#services = services;
    this.#storeWatch.onReset((reset) => {
      this.#lastReset = { ...reset, since: this.isConnected ? Date.now() : this.#lostAt };
    });
  }

  /** The welcome of the first connection. */
  get welcome(): Welcome {
    if (this.#welcome === undefined) throw new TypeError('the client is not open');
    return this.#welcome;
  }

  /** Whether the hub lets its clients call each other directly. */
  get isDirectAllowed(): boolean {
    return this.#isDirectAllowed;
  }

  /** How much of `leaseLeftMs` is left, which an answer of the hub's time `hubNow` tells. */
  leaseLeft(leaseLeftMs: number, hubNow: unknown): number {
    const elapsed = this.#connection?.clock.elapsedSince(hubNow) ?? Number.POSITIVE_INFINITY;
    return Math.max(0, leaseLeftMs - elapsed);
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  /** The past of the store, as far as it is known. */
  get past(): StorePast | undefined {
    return this.#storeWatch.past;
  }

  /** The latest reset of the store. */
  get lastReset(): StoreLoss | undefined {
    return this.#lastReset;
  }

  /** Calls `listener` after each reset of the store. */
  onReset(listener: (reset: StoreReset) => void): void {
    this.#resetListeners.push(listener);
  }

  onState(listener: (change: StateChange) => void): void {
    this.#onState = listener;
  }

  /** Connects for the first time. Rejects with the last error when the time is up. */
  async open(): Promise<void> {
    const { connectTimeoutMs } = this.#options;
    await withTimeoutSignal(connectTimeoutMs, this.#end.signal, (signal) => this.#connect(signal, 0));
  }

  /** Sends a request and resolves with its response. Waits for a connection if there is none. */
  request(spec: RequestSpec): Promise<Frame> {
    return this.start(spec).response;
  }

  /** Sends an idempotent request, which is repeated after a lost connection. */
  repeat(op: string, header: Header, { deadline }: CallContext): Promise<Frame> {
    return this.request({ op, header, deadline, whenLost: 'repeat' });
  }

  /** Sends a request that frees state of this connection. The end of the connection frees it, too. */
  async tell(op: string, header: Header): Promise<void> {
    const deadline = Number.POSITIVE_INFINITY;
    await this.request({ op, header, deadline, whenLost: 'fail' }).catch(() => undefined);
  }

  /** Like {@link HubClient.request}, but returns the request, which can be cancelled. */
  start(spec: RequestSpec): PendingRequest {
    this.#flushDeferred();
    const pending = new PendingRequest(this.#nextId(), spec, this.#onDeadline);
    if (this.#end.signal.aborted) pending.reject(closed());
    else if (this.#downgrade !== undefined) pending.reject(this.#downgrade);
    else {
      this.#pending.set(pending.id, pending);
      this.#deadlines.set(pending.deadline, spec.deadline + EXPIRY_GRACE_MS);
      this.#connection?.send(pending.toFrame());
    }
    return pending;
  }

  /**
   * Cancels a request. It settles with the hub's response, or at once if it was not sent or `ignoreResponse` is set.
   */
  cancel(id: number, { ignoreResponse = false }: { readonly ignoreResponse?: boolean } = {}): void {
    this.#flushDeferred();
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    pending.isCancelled = true;
    if (pending.sentAt !== undefined && this.#connection !== undefined) {
      this.#connection.send(frame(FRAME.cancel, id));
      if (!ignoreResponse) return;
    }
    this.#remove(pending).reject(new BusbarError('ABORTED', 'the request was cancelled'));
  }

  /** Sends a frame that has no response. Without a connection it is lost. */
  send(each: Frame): void {
    this.#connection?.send(each);
  }

  /** Sends the requests of this turn now: the hub works on them while this process makes the next ones. */
  flush(): void {
    this.#connection?.flush();
  }

  /** Calls `flush` before the next request, at the end of this turn at the latest. */
  defer(flush: () => void): void {
    this.#flushDeferred();
    this.#deferred = flush;
    atTurnEnd(() => {
      if (this.#deferred === flush) this.#flushDeferred();
    });
  }

  async close(): Promise<void> {
    this.#flushDeferred();
    this.#end.abort(closed());
    const connection = this.#connection;
    this.#connection = undefined;
    this.#rejectAll(closed());
    this.#deadlines.clear();
    await connection?.close();
  }

  #flushDeferred(): void {
    const flush = this.#deferred;
    this.#deferred = undefined;
    flush?.();
  }

  #nextId(): number {
    do this.#lastId = this.#lastId === MAX_ID ? 1 : this.#lastId + 1;
    while (this.#pending.has(this.#lastId));
    return this.#lastId;
  }

  /** After `firstMs`, retries until it is connected, an error shows that retrying is useless, or `signal` fires. */
  async #connect(signal: AbortSignal, firstMs: number): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    let lastError: unknown;
    if (firstMs > 0) await pause(firstMs, signal);
    while (!signal.aborted) {
      try {
        await this.#attempt(signal);
        return;
      } catch (error) {
        // The attempt that the end of the time interrupts says nothing about the hub.
        if (lastError === undefined || !signal.aborted) lastError = error;
        if (this.#isFatal(error)) throw error;
      }
      await pause(pauseMs, signal);
      pauseMs = Math.min(LAST_PAUSE_MS, pauseMs * 2);
    }
    throw this.#end.signal.aborted ? closed() : unreachable(this.#options.link.address, lastError);
  }

  /**
   * After the first connection no error is final: the hub may recover. Before it, only a hub that this client starts is worth
   * a further attempt.
   */
  #isFatal(error: unknown): boolean {
    if (this.#welcome !== undefined) return false;
    const { start } = this.#options;
    return start === undefined || !isBusbarError(error) || error.code !== 'UNAVAILABLE' || !error.retryable;
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    const { link, info, start } = this.#options;
    const events = { onFrame: this.#onFrame, onEnd: this.#onEnd };
    try {
      this.#onConnected(await HubConnection.open(link, info, events, signal));
    } catch (error) {
      if (start === undefined || !isBusbarError(error) || error.code !== 'UNAVAILABLE' || signal.aborted) throw error;
      await start(signal);
      this.#onConnected(await HubConnection.open(link, info, events, signal));
    }
  }

  #onConnected(connection: HubConnection): void {
    const { welcome } = connection;
    this.#downgrade = this.#welcome && findDowngrade(this.#welcome, welcome);
    if (this.#downgrade !== undefined) {
      void connection.close();
      this.#rejectAll(this.#downgrade);
      throw this.#downgrade;
    }
    this.#welcome ??= welcome;
    this.#isDirectAllowed = welcome.direct === true;
    const known = this.#lastReset;
    if (welcome.past !== undefined) this.#storeWatch.observe(welcome.past);
    this.#connection = connection;
    this.#brief.opened();
    this.epoch += 1;
    // The requests of the services go out at once. They must not go out again with those that waited.
    const waiting = this.#pending.values();
    for (const spec of this.#services.onReconnected()) this.request(spec).catch(() => undefined);
    for (const pending of waiting) connection.send(pending.toFrame());
    this.#onState({ state: 'open' });
    if (this.#lastReset !== known) this.#reportReset();
  }

  #reportReset(): void {
    const { cause, detail } = this.#lastReset ?? { cause: 'replaced' };
    for (const listener of this.#resetListeners) listener({ cause, detail });
  }

  /** The store behind the hub was replaced or rolled back while this client is connected, or its counter has risen. */
  #onNotice({ past, reset, failure }: StoreNotice): void {
    if (failure !== undefined) this.failures.report(failure.work, decodeError(failure.error));
    if (reset !== undefined) {
      this.#storeWatch.relay(reset, past);
      this.#reportReset();
    } else if (past !== undefined && past.incarnation === this.past?.incarnation) {
      this.#storeWatch.confirm(past.counter);
    }
  }

  readonly #onFrame = (each: Frame): void => {
    const { type, id } = each;
    if (type === FRAME.call || type === FRAME.credit || type === FRAME.cancel) {
      if (this.#connection !== undefined) this.#services.onCall(each, this.#connection.send);
      return;
    }
    const pending = this.#pending.get(id);
    if (id === 0 && type === FRAME.item) this.#onNotice(each.header);
    else if (pending === undefined) this.#closeLateCursor(each);
    else if (type === FRAME.item) pending.spec.onItem?.(each);
    else {
      this.#remove(pending);
      pending.epoch = this.epoch;
      const { counter } = each.header;
      if (typeof counter === 'number') this.#storeWatch.confirm(counter);
      if (pending.sentAt !== undefined) this.#connection?.clock.sample(pending.sentAt, each.header['now']);
      if (type === FRAME.response) pending.resolve(each);
      else pending.reject(decodeError(each.header));
    }
  };

  /** The hub opened a cursor after its request was dropped. */
  #closeLateCursor({ type, header: { cursor } }: Frame): void {
    if (type !== FRAME.response || cursor === undefined) return;
    void this.tell('cursor.close', { cursor });
  }

  readonly #onEnd = (connection: HubConnection, error: BusbarError): void => {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#lostAt = Date.now();
    this.epoch += 1;
    const now = performance.now();
    for (const pending of this.#pending.values()) {
      const failure = pending.errorWhenLost(now);
      if (failure !== undefined) this.#remove(pending).reject(failure);
    }
    this.#services.onConnectionLost();
    this.#onState({ state: 'reconnecting', error });
    this.#connect(this.#end.signal, this.#brief.ended()).catch(() => undefined);
  };

  /** Drops a request past its deadline. The caller has already been rejected, so an unsent request must not go out. */
  readonly #onDeadline = (pending: PendingRequest): void => {
    const outcome = pending.sentAt === undefined ? 'failed' : 'unknown';
    this.#remove(pending).reject(new BusbarError('UNAVAILABLE', 'the hub did not respond in time', { outcome }));
  };

  #remove(pending: PendingRequest): PendingRequest {
    this.#pending.delete(pending.id);
    this.#deadlines.cancel(pending.deadline);
    return pending;
  }

  #rejectAll(error: BusbarError): void {
    for (const pending of this.#pending.values()) this.#remove(pending).reject(error);
  }
}

/** An error if a hub came back with fewer features. Calls then fail and name the missing one (rule RA1). */
function findDowngrade(before: Welcome, { capabilities }: Welcome): BusbarError | undefined {
  const now: Readonly<Record<string, boolean>> = { ...capabilities.features };
  const missing = Object.entries(before.capabilities.features).find(([name, had]) => had && now[name] !== true);
  return (
    missing &&
    new BusbarError('UNAVAILABLE', `the hub came back without the feature ${missing[0]}`, {
      hint: 'Start the hub with its previous store, or open a new transport.',
    })
  );
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = (): void => resolve();
  const timer = setTimeout(end, ms * (0.5 + Math.random() / 2));
  if (globalThis.process !== undefined) timer.unref?.();
  signal.addEventListener('abort', end, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', end);
}

function unreachable(address: string, error: unknown): BusbarError {
  const { message, hint, cause } = toBusbarError(error ?? new Error('it did not respond in time'));
  return new BusbarError('UNAVAILABLE', message.includes(address) ? message : `no hub at ${address}: ${message}`, {
    hint: hint ?? 'Start one with busbar hub.',
    cause: cause ?? error,
  });
}

function closed(): BusbarError {
  return new BusbarError('CLOSED', 'the transport is closed', { outcome: 'unknown', hint: 'Open a new one.' });
}
