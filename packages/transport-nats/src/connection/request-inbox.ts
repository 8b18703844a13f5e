/** Requests to the server through one inbox. They are sent again after a lost connection, and end at their deadline. */

import type { CallContext } from '@busbar/api/driver';
import { BusbarError } from '@busbar/api/transport';
import type { Msg } from '@nats-io/transport-node';
import { denied, PastLost, Reconnected, ServerRefusal, unavailable } from '../errors.ts';
import type { Connection } from './connection.ts';
import { codeOf, encodeHeaders, type HeaderList } from './message-headers.ts';

/** The bounds of a request. */
export interface Bounds extends Pick<CallContext, 'deadline'> {
  /** Belongs to the check of the store, for which other requests wait after a reconnect. A missing stream fails it. */
  readonly isCheck?: boolean;
  /** Fails at a reconnect: what it holds may be wrong for a server that was started again. */
  readonly isOnce?: boolean;
  /** Names messages by their sequences, which another past of the store has given to other messages. */
  readonly isOfPast?: boolean;
}

interface RequestOptions {
  readonly headers?: HeaderList | undefined;
  readonly bounds?: Bounds | undefined;
  /** Its replies end with a status. */
  readonly isMany?: boolean | undefined;
  /** That nothing takes the request is its reply. */
  readonly isProbe?: boolean | undefined;
}

/** A request that was sent. */
export interface SentRequest {
  readonly replies: Promise<Msg[]>;
  /** Whether it was sent more than once, so that an earlier sending may have had its effect. */
  readonly isRepeated: boolean;
}

interface PendingRequest extends RequestOptions, SentRequest {
  readonly subject: string;
  readonly data: Uint8Array | string;
  readonly deadline: number;
  readonly messages: Msg[];
  readonly resolve: (messages: Msg[]) => void;
  readonly reject: (error: unknown) => void;
  /** When it was sent, or the last message of its reply came. */
  sentAt: number;
  isRepeated: boolean;
  /** Whether there was nothing that could take the last sending. */
  isUnheard: boolean;
}

export const DEFAULT_MS = 30_000;
export const SILENCE_MS = 5_000;
const SWEEP_MS = 500;
const RETRY_MS = 100;
const NO_STREAM = 10_059;

/** Requests through one inbox, and their replies. */
export class RequestInbox {
  readonly connection: Connection;
  readonly #inbox: string;
  readonly #pending = new Map<string, PendingRequest>();
  readonly #admit: (() => Promise<void>) | undefined;
  #checkStore: ((isFull: boolean) => Promise<void>) | undefined;
  /** Requests wait for the check of the store. */
  #isHeld = false;
  #count = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `admit` is called when nothing takes a request, before it is sent again. It rejects to end the request. */
  constructor(connection: Connection, admit?: () => Promise<void>) {
    this.connection = connection;
    this.#admit = admit;
    this.#inbox = connection.newInbox();
    connection.client.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#take(message);
      },
    });
    connection.onBack(() => {
      this.#failEach(
        ({ bounds }) => bounds?.isOnce === true,
        () => new Reconnected(),
      );
      // First the check of the store: it may fail requests that wait.
      void this.#hold();
      this.#sendAll();
    });
    connection.onDenied((violation) => {
      const isInbox = violation.subject === `${this.#inbox}.*`;
      this.#failEach(
        ({ subject }) => isInbox || subject === violation.subject,
        () => denied({}, violation),
      );
    });
  }

  /** Rejects the requests of the earlier past, after the store has lost writes. */
  failPast(): void {
    this.#failEach(
      ({ bounds }) => bounds?.isOfPast === true,
      () => new PastLost(),
    );
  }

  /** Calls `check` when a stream seems to be missing, and after each reconnect; then requests wait for it. */
  onMissing(check: (isFull: boolean) => Promise<void>): void {
    this.#checkStore = check;
  }

  /** Asks JetStream's API; rejects with {@link ServerRefusal} where the server refuses it. Missing streams are made again. */
  async api<T = unknown>(path: string, payload?: unknown, bounds?: Bounds): Promise<T> {
    for (;;) {
      try {
        return await this.#api<T>(path, payload, bounds);
      } catch (error) {
        const isMissing = error instanceof ServerRefusal && error.refusal === NO_STREAM;
        if (!isMissing || bounds?.isCheck || this.#checkStore === undefined) throw error;
        await this.#checkStore(true);
      }
    }
  }

  async #api<T>(path: string, payload: unknown, bounds: Bounds | undefined): Promise<T> {
    const data = payload === undefined ? '' : JSON.stringify(payload);
    const [reply] = await this.request(`$JS.API.${path}`, data, { bounds }).replies;
    const result = parseReply<T & { error?: { err_code: number; description: string } }>(reply);
    if (result.error !== undefined) throw new ServerRefusal(result.error.err_code, result.error.description);
    return result;
  }

  request(subject: string, data: Uint8Array | string, options: RequestOptions = {}): SentRequest {
    const { promise: replies, resolve, reject } = Promise.withResolvers<Msg[]>();
    const { headers, bounds, isMany, isProbe } = options;
    const deadline = bounds === undefined ? performance.now() + DEFAULT_MS : bounds.deadline;
    const pending: PendingRequest = {
      ...{ subject, data, headers, bounds, isMany, isProbe, deadline, replies, resolve, reject },
      ...{ messages: [], sentAt: 0, isRepeated: false, isUnheard: false },
    };
    const token = this.#add(pending);
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
    if (this.#isClosed) this.#fail(token, new BusbarError('CLOSED', 'the transport is closed'));
    else this.#send(token);
    return pending;
  }

  /** The first reply; undefined where it says that something is missing or refused. */
  async first(subject: string, data: string, options: RequestOptions): Promise<Msg | undefined> {
    const [reply] = await this.request(subject, data, options).replies;
    return reply === undefined || (reply.headers?.code ?? 0) >= 300 ? undefined : reply;
  }

  close(): void {
    this.#isClosed = true;
    const closed = (): BusbarError => new BusbarError('CLOSED', 'the transport was closed', { outcome: 'unknown' });
    this.#failEach(() => true, closed);
  }

  #sendAll(): void {
    for (const token of [...this.#pending.keys()]) this.#send(token);
  }

  /** Lets requests wait until the store was checked. */
  async #hold(): Promise<void> {
    if (this.#checkStore === undefined || this.#isHeld) return;
    this.#isHeld = true;
    await this.#checkStore(this.connection.isClustered);
    this.#isHeld = false;
    this.#sendAll();
  }

  /** Returns its token, the end of the subject for its replies. */
  #add(pending: PendingRequest): string {
    this.#count += 1;
    const token = this.#count.toString(36);
    this.#pending.set(token, pending);
    return token;
  }

  #send(token: string): void {
    const pending = this.#pending.get(token);
    if (this.#isHeld && !pending?.bounds?.isCheck) return;
    if (pending === undefined || !this.connection.isUp || this.connection.client.isClosed()) return;
    pending.isRepeated ||= pending.sentAt > 0 && !pending.isUnheard;
    const { subject, data, headers, isMany, sentAt } = pending;
    let current = token;
    if (isMany && sentAt > 0) {
      // The rest of an earlier reply may come: it is no part of the next one.
      this.#pending.delete(token);
      current = this.#add(pending);
    }
    pending.isUnheard = false;
    pending.sentAt = performance.now();
    pending.messages.length = 0;
    const reply = `${this.#inbox}.${current}`;
    const options = { reply, ...(headers !== undefined && { headers: encodeHeaders(headers) }) };
    this.connection.publish(subject, data, options, (error) => this.#fail(current, error));
  }

  #take(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length + 1);
    const pending = this.#pending.get(token);
    if (pending === undefined) return;
    const code = codeOf(message);
    if (code === 503 && !pending.isProbe) {
      // JetStream has no leader for it just now, is starting, the stream is missing, or the gate has changed.
      pending.isUnheard = true;
      if (!pending.bounds?.isCheck) void this.#checkStore?.(true);
      const again = (): unknown => setTimeout(() => this.#again(token), RETRY_MS).unref();
      (this.#admit?.() ?? Promise.resolve()).then(again, (error: unknown) => this.#fail(token, error));
      return;
    }
    pending.messages.push(message);
    if (pending.isMany && code === 0) {
      pending.sentAt = performance.now();
      return;
    }
    this.#pending.delete(token);
    this.#rest();
    pending.resolve(pending.messages);
  }

  #again(token: string): void {
    const pending = this.#pending.get(token);
    if (pending === undefined) return;
    if (pending.deadline <= performance.now()) this.#fail(token, this.#timedOut(pending));
    else this.#send(token);
  }

  #sweep(): void {
    const now = performance.now();
    for (const [token, pending] of this.#pending) {
      if (pending.deadline <= now) this.#fail(token, this.#timedOut(pending));
      else if (pending.sentAt + SILENCE_MS < now) this.#send(token);
    }
  }

  #timedOut({ sentAt }: PendingRequest): BusbarError {
    return unavailable('JetStream does not answer', { outcome: sentAt > 0 ? 'unknown' : 'failed' });
  }

  #failEach(isConcerned: (pending: PendingRequest) => boolean, toError: () => Error): void {
    for (const [token, pending] of [...this.#pending]) if (isConcerned(pending)) this.#fail(token, toError());
  }

  #fail(token: string, error: unknown): void {
    const pending = this.#pending.get(token);
    this.#pending.delete(token);
    this.#rest();
    pending?.reject(error);
  }

  /** No timer runs without a pending request. */
  #rest(): void {
    if (this.#pending.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }
}

/** The JSON of a reply. */
export function parseReply<T>(reply: Msg | undefined): T {
  return JSON.parse(reply === undefined ? '{}' : reply.string()) as T;
}
