/** Requests to the server through one inbox. They are sent again after a lost connection, and end at their deadline. */

import type { CallContext } from '@busbar/api/driver';
import { BusbarError, type BusbarErrorOptions } from '@busbar/api/transport';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import { denied, isDenied, isFull, toJetStreamError, toNatsError, unavailable } from '../errors.ts';
import type { Connection } from './connection.ts';
import type { Names } from './names.ts';
import { subjectOfImport } from './stream-subjects.ts';

/** JetStream's reply to a publish. */
export interface PubAck {
  readonly stream: string;
  readonly seq: number;
  readonly duplicate?: boolean;
}

/** An error that JetStream answered with. */
export class ServerRefusal extends BusbarError {
  /** The code of JetStream. */
  readonly refusal: number;
  readonly #description: string;

  constructor(refusal: number, description: string) {
    const { code, message, hint } = toJetStreamError(refusal, description);
    super(code, message, { hint });
    this.refusal = refusal;
    this.#description = description;
  }

  /** The same error with other options. */
  with(options: BusbarErrorOptions): BusbarError {
    return toJetStreamError(this.refusal, this.#description, options);
  }
}

/** Names of headers with their values; they are encoded as they are. */
export type HeaderList = Readonly<Record<string, string | number>>;

/** The bounds of a request. */
export interface Bounds extends Pick<CallContext, 'deadline'> {
  /** Belongs to the check of the store, for which other requests wait after a reconnect. A missing stream fails it. */
  readonly isCheck?: boolean;
  /** Fails at a reconnect: what it holds may be wrong for a server that was started again. */
  readonly isOnce?: boolean;
  /** Names messages by their sequences, which another past of the store has given to other messages. */
  readonly isOfPast?: boolean;
}

/** UNAVAILABLE: the store lost writes before it took this request, which concerns its earlier past. */
export class PastLost extends BusbarError {
  constructor() {
    super('UNAVAILABLE', 'the store lost its latest writes meanwhile', { outcome: 'unknown', hint: 'Receive again.' });
  }
}

/** The error of a request with `isOnce` after a reconnect. */
export class Reconnected extends Error {}

interface Pending {
  readonly subject: string;
  readonly data: Uint8Array | string;
  readonly headers: HeaderList | undefined;
  readonly deadline: number;
  readonly isMany: boolean;
  readonly isProbe: boolean;
  readonly bounds: Bounds | undefined;
  readonly messages: Msg[];
  readonly resolve: (messages: Msg[]) => void;
  readonly reject: (error: unknown) => void;
  sentAt: number;
  /** Whether it was sent more than once, so that an earlier sending may have had its effect. */
  repeated: boolean;
  /** Whether there was nothing that could take the last sending. */
  isUnheard: boolean;
}

/** Writes that a closed store takes: imports at one revision of its gate. */
export interface ImportMode {
  readonly revision: number;
  /** Lets the streams take such writes. Rejects if the gate has another revision. */
  readonly admit: () => Promise<void>;
}

const PAGE = 1_000;
const SILENCE_MS = 5_000;
const SWEEP_MS = 500;
const RETRY_MS = 50;
const DEFAULT_MS = 30_000;
const ASK_MS = 2_000;
/** How long between two looks at a replica that is behind. */
const LAG_MS = 5;

/** All requests of one transport. */
export class ServerRequests {
  readonly connection: Connection;
  /** The last sequence of each stream that the server has confirmed to this process since the last reconnect. */
  readonly confirmed: Map<string, number> = new Map();
  readonly #inbox: string;
  readonly #pending = new Map<string, Pending>();
  readonly #names: Names;
  readonly #imports: ImportMode | undefined;
  #checkStore: ((isFull: boolean) => Promise<void>) | undefined;
  #onRefused: ((fence: string, times: number) => Promise<void>) | undefined;
  /** Requests wait for the check of the store. */
  #isHeld = false;
  readonly #prefix: number;
  readonly #shared = new Map<string, Promise<unknown>>();
  #count = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** A subject that always has a message, by stream. */
  readonly #anchors: ReadonlyMap<string, string>;

  /** `imports`: its writes go to a closed store. */
  constructor(connection: Connection, names: Names, imports?: ImportMode) {
    this.connection = connection;
    this.#names = names;
    this.#imports = imports;
    this.#inbox = connection.newInbox();
    this.#anchors = new Map([
      [names.ledger, names.header],
      [names.kv, names.revisions],
    ]);
    this.#prefix = this.#inbox.length + 1;
    connection.client.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#take(message);
      },
    });
    connection.onBack(() => {
      for (const [token, { bounds }] of [...this.#pending]) {
        if (bounds?.isOnce) this.#fail(token, new Reconnected());
      }
      // First the check of the store: it may fail requests that wait.
      void this.#hold();
      this.#sendAll();
    });
    connection.onDenied((violation) => {
      const isInbox = violation.subject === `${this.#inbox}.*`;
      for (const [token, { subject }] of [...this.#pending]) {
        if (isInbox || subject === violation.subject) this.#fail(token, denied({}, violation));
      }
    });
  }

  /** Rejects the requests of the earlier past, after the store has lost writes. */
  failPast(): void {
    for (const [token, { bounds }] of [...this.#pending]) if (bounds?.isOfPast) this.#fail(token, new PastLost());
  }

  /** Calls `check` when a stream seems to be missing, and after each reconnect; then requests wait for it. */
  onMissing(check: (isFull: boolean) => Promise<void>): void {
    this.#checkStore = check;
  }

  /** Calls `act` when a fence refuses a write: with its name, and how often one did. It rejects to end the write. */
  onRefused(act: (fence: string, times: number) => Promise<void>): void {
    this.#onRefused = act;
  }

  /**
   * Publishes to a stream; rejects with BACKPRESSURE without storage, with CONFLICT if the store is closed, else with
   * {@link ServerRefusal} where the server refuses it.
   */
  async publish(
    subject: string,
    data: Uint8Array | string,
    headers?: HeaderList,
    context?: Bounds,
  ): Promise<PubAck & { readonly repeated: boolean }> {
    const target =
      this.#imports === undefined ? subject : subjectOfImport(this.#names, subject, this.#imports.revision);
    for (let repeated = false, refused = 0; ; ) {
      const pending = this.#request(target, data, headers, context);
      const [answer] = await pending.answer;
      repeated ||= pending.request.repeated;
      const ack = parse<PubAck & { error?: { err_code: number; description: string } }>(answer);
      if (ack.error === undefined) {
        this.noteSequence(ack);
        return { ...ack, repeated };
      }
      if (this.#names.isFence(ack.stream) && this.#onRefused !== undefined) {
        refused += 1;
        await this.#onRefused(ack.stream, refused).catch((error: unknown) => {
          throw repeated ? unsure(toDriverError(error)) : error;
        });
        continue;
      }
      // Another publish of this id is under way in a cluster: its outcome is known soon.
      const { err_code, description } = ack.error;
      if (isFull(err_code)) throw toJetStreamError(err_code, description);
      if (err_code !== IN_PROCESS) throw new ServerRefusal(err_code, description);
      await pause(RETRY_MS);
    }
  }

  /** Publishes with a guard in `headers`, such as the expected last sequence. Undefined if another write was first. */
  async publishGuarded(
    subject: string,
    data: Uint8Array | string,
    headers: HeaderList,
    context?: Bounds,
  ): Promise<PubAck | undefined> {
    try {
      return await this.publish(subject, data, headers, context);
    } catch (error) {
      if (isLostRace(error)) return undefined;
      throw error;
    }
  }

  /** Takes a sequence that a stream has. */
  noteSequence({ stream, seq }: Pick<PubAck, 'stream' | 'seq'>): void {
    if (seq > (this.confirmed.get(stream) ?? 0)) this.confirmed.set(stream, seq);
  }

  /** Asks JetStream's API; rejects with {@link ServerRefusal} where the server refuses it. Missing streams are made again. */
  async api<T = unknown>(path: string, payload?: unknown, context?: Bounds): Promise<T> {
    for (;;) {
      try {
        return await this.#api<T>(path, payload, context);
      } catch (error) {
        const isMissing = error instanceof ServerRefusal && error.refusal === NO_STREAM;
        if (!isMissing || context?.isCheck || this.#checkStore === undefined) throw error;
        await this.#checkStore(true);
      }
    }
  }

  async #api<T>(path: string, payload: unknown, context: Bounds | undefined): Promise<T> {
    const data = payload === undefined ? '' : JSON.stringify(payload);
    const [answer] = await this.#request(`$JS.API.${path}`, data, undefined, context).answer;
    const result = parse<T & { error?: { err_code: number; description: string } }>(answer);
    if (result.error !== undefined) throw new ServerRefusal(result.error.err_code, result.error.description);
    return result;
  }

  /**
   * Requests messages of a stream by direct get: all of one reply, in order. In a cluster the replica that replies may be
   * behind. `upTo`: the last sequence that it has, for a request of last messages.
   */
  async get(
    stream: string,
    payload: unknown,
    context?: Bounds,
  ): Promise<{ messages: Msg[]; pending: number; upTo: number }> {
    const data = JSON.stringify(payload);
    const messages = await this.#request(`$JS.API.DIRECT.GET.${stream}`, data, undefined, context, true).answer;
    const end = messages.at(-1);
    const status = end?.headers?.code ?? 0;
    if (status === 413) throw new ServerRefusal(413, 'too many results');
    const found = status > 0 ? messages.slice(0, -1) : messages;
    const count = (name: string): number => Number(end?.headers?.get(name) || 0);
    return { messages: found, pending: count('Nats-Num-Pending'), upTo: count('Nats-UpTo-Sequence') };
  }

  /** Pages of all messages of a subject, from sequence `from` on, with all that was acknowledged before. */
  async *scan(stream: string, subject: string, from = 1): AsyncGenerator<readonly Msg[], void> {
    await this.catchUp(stream);
    yield* this.scanReplica(stream, subject, from);
  }

  /** The same. In a cluster the replica that replies may be behind. */
  async *scanReplica(
    stream: string,
    subject: string,
    from: number,
    context?: Bounds,
  ): AsyncGenerator<readonly Msg[], void> {
    for (let seq = from; ; ) {
      const request = { seq, next_by_subj: subject, batch: PAGE };
      const { messages, pending } = await this.get(stream, request, context);
      yield messages;
      if (pending === 0 || messages.length === 0) return;
      seq = sequenceOf(messages.at(-1)) + 1;
    }
  }

  /** Pages of the last message of each of these subjects, with all that was acknowledged before. */
  async *lastOf(stream: string, subjects: readonly string[], context?: Bounds): AsyncGenerator<readonly Msg[], void> {
    for (let from = 0; from < subjects.length; from += PAGE / 2) {
      yield await this.#lastOf(stream, subjects.slice(from, from + PAGE / 2), context);
    }
  }

  /** When the last message of a stream was stored. */
  async lastStoredAt(stream: string, context?: Bounds): Promise<number> {
    return Date.parse((await this.#state(stream, context)).last_ts);
  }

  async lastSequence(stream: string, context?: Bounds): Promise<number> {
    return (await this.#state(stream, context)).last_seq;
  }

  /** One message of a stream, such as the one at a sequence. */
  async one(stream: string, payload: unknown, context?: Bounds): Promise<Msg | undefined> {
    const data = JSON.stringify(payload);
    const [answer] = await this.#request(`$JS.API.DIRECT.GET.${stream}`, data, undefined, context).answer;
    return answer === undefined || (answer.headers?.code ?? 0) >= 300 ? undefined : answer;
  }

  /** The last message of a subject, with all that was acknowledged before. */
  async last(stream: string, subject: string, context?: Bounds): Promise<Msg | undefined> {
    const { isClustered } = this.connection;
    if (isClustered && !context?.isCheck) return (await this.#lastOf(stream, [subject], context))[0];
    // The check of a stream that is missing does not wait for it.
    const path = `$JS.API.DIRECT.GET.${stream}.${subject}`;
    const [answer] = await this.#request(path, '', undefined, context, false, context?.isCheck).answer;
    const found = answer === undefined || (answer.headers?.code ?? 0) >= 300 ? undefined : answer;
    return isClustered && found !== undefined ? (await this.#lastOf(stream, [subject], context))[0] : found;
  }

  /** Resolves when the replica that replies to direct gets has all that was acknowledged before. Only in a cluster it may not. */
  async catchUp(stream: string): Promise<void> {
    if (!this.connection.isClustered) return;
    return this.#share(stream, () => this.#catchUp(stream));
  }

  /**
   * Resolves when the server of a consumer has all messages that match its filter and were acknowledged before: with whether
   * it was behind.
   */
  async catchUpConsumer(stream: string, consumer: string, filter: string): Promise<boolean> {
    if (!this.connection.isClustered) return false;
    const until = performance.now() + DEFAULT_MS;
    try {
      await this.catchUp(stream);
      const last = sequenceOf(await this.one(stream, { last_by_subj: filter }));
      for (let wasBehind = false; ; wasBehind = true) {
        const info = await this.api<ConsumerInfo>(`CONSUMER.INFO.${stream}.${consumer}`);
        if (info.num_pending > 0 || info.delivered.stream_seq >= last) return wasBehind;
        await this.pauseForReplica(until);
      }
    } catch (error) {
      // A user who may read only some queues cannot tell.
      if (!isDenied(error)) ignoreRefusal(error);
      return false;
    }
  }

  /** Calls during one share the next one. */
  async #share<T>(key: string, run: () => Promise<T>): Promise<T> {
    await this.#shared.get(key)?.catch(() => undefined);
    let running = this.#shared.get(key) as Promise<T> | undefined;
    if (running === undefined) {
      running = run().finally(() => this.#shared.delete(key));
      this.#shared.set(key, running);
    }
    return running;
  }

  async #catchUp(stream: string): Promise<void> {
    const until = performance.now() + DEFAULT_MS;
    const { messages, last_seq } = await this.#state(stream);
    let seq = messages === 0 ? 0 : last_seq;
    while (seq > 0 && (await this.one(stream, { seq, next_by_subj: '>' })) === undefined) {
      await this.pauseForReplica(until);
      // It was deleted, or the replica is behind.
      seq = Math.min(seq, await this.#lastStored(stream));
    }
  }

  /** In a cluster the leader says how much there is, and a replica that has less is asked again. */
  async #lastOf(stream: string, subjects: readonly string[], context: Bounds | undefined): Promise<readonly Msg[]> {
    const read = (multi_last: readonly string[]): ReturnType<ServerRequests['get']> =>
      this.get(stream, { multi_last }, context);
    if (!this.connection.isClustered) return (await read(subjects)).messages;
    const anchor = this.#anchors.get(stream) ?? '';
    const isAdded = anchor !== '' && !subjects.includes(anchor);
    const all = isAdded ? [...subjects, anchor] : subjects;
    const until = context?.deadline ?? performance.now() + DEFAULT_MS;
    const ending = context?.isCheck
      ? this.lastSequence(stream, context)
      : this.#share(`${stream} end`, () => this.lastSequence(stream));
    const [least, first] = await Promise.all([ending, read(all)]);
    let page = first;
    while (page.upTo < least) {
      if (page.messages.length === 0) {
        // Without a message the reply does not say what the replica has.
        await this.catchUp(stream);
        return (await read(subjects)).messages;
      }
      await this.pauseForReplica(until);
      page = await read(all);
    }
    return isAdded ? page.messages.filter(({ headers }) => headers?.get('Nats-Subject') !== anchor) : page.messages;
  }

  /** A pause before a replica is asked again. Throws UNAVAILABLE after `until`, by `performance.now()`. */
  async pauseForReplica(until: number): Promise<void> {
    if (performance.now() > until) throw unavailable('a server of the cluster is behind the others');
    await pause(LAG_MS);
  }

  async #state(stream: string, context?: Bounds): Promise<StreamState> {
    return (await this.api<{ state: StreamState }>(`STREAM.INFO.${stream}`, undefined, context)).state;
  }

  /** The last sequence with a message, by the leader; 0 without a message. */
  async #lastStored(stream: string): Promise<number> {
    try {
      const path = `STREAM.MSG.GET.${stream}`;
      return (await this.api<{ message: { seq: number } }>(path, { last_by_subj: '>' })).message.seq;
    } catch (error) {
      ignoreRefusal(error);
      return 0;
    }
  }

  /** Publishes without waiting for an answer. Nothing happens while the server is away, or without a subject. */
  send(subject: string, data: Uint8Array | string = '', reply?: string): void {
    if (subject === '' || !this.connection.isUp || this.connection.client.isClosed()) return;
    this.connection.publish(subject, data, reply === undefined ? {} : { reply });
  }

  /** Sends an ack body to a consumer. Resolves when the consumer has applied it and all earlier ones of this process. */
  async confirm(subject: string, ackBody: string): Promise<void> {
    if (subject === '') return;
    await this.#request(subject, ackBody, undefined, { deadline: performance.now() + SILENCE_MS }).answer;
  }

  /** The reply to an empty request; undefined without one, or where this client may not ask. */
  async ask<T>(subject: string): Promise<T | undefined> {
    try {
      const bounds = { deadline: performance.now() + ASK_MS };
      const [answer] = await this.#request(subject, '', undefined, bounds, false, true).answer;
      return answer === undefined || (answer.headers?.code ?? 0) >= 300 ? undefined : answer.json<T>();
    } catch {
      return undefined;
    }
  }

  /** Whether a client replies on `subject`. */
  async isServed(subject: string): Promise<boolean> {
    const [answer] = await this.#request(subject, '', undefined, undefined, false, true).answer;
    return answer?.headers?.code !== 503;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#sweeper);
    for (const token of [...this.#pending.keys()]) {
      this.#fail(token, new BusbarError('CLOSED', 'the transport was closed', { outcome: 'unknown' }));
    }
  }

  #request(
    subject: string,
    data: Uint8Array | string,
    headers: HeaderList | undefined,
    context: Bounds | undefined,
    isMany = false,
    isProbe = false,
  ): { readonly answer: Promise<Msg[]>; readonly request: Pending } {
    const { promise, resolve, reject } = Promise.withResolvers<Msg[]>();
    const deadline = context === undefined ? performance.now() + DEFAULT_MS : context.deadline;
    const request = {
      subject,
      data,
      headers,
      deadline,
      isMany,
      isProbe,
      messages: [],
      resolve,
      reject,
      sentAt: 0,
    };
    const pending = Object.assign(request, { repeated: false, isUnheard: false, bounds: context });
    this.#count += 1;
    const token = this.#count.toString(36);
    this.#pending.set(token, pending);
    if (this.#isClosed) this.#fail(token, new BusbarError('CLOSED', 'the transport is closed'));
    else this.#send(token);
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
    return { answer: promise, request: pending };
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

  #send(token: string): void {
    const pending = this.#pending.get(token);
    if (this.#isHeld && !pending?.bounds?.isCheck) return;
    if (pending === undefined || !this.connection.isUp || this.connection.client.isClosed()) return;
    pending.repeated ||= pending.sentAt > 0 && !pending.isUnheard;
    pending.isUnheard = false;
    pending.sentAt = performance.now();
    pending.messages.length = 0;
    const { subject, data, headers } = pending;
    const reply = `${this.#inbox}.${token}`;
    const options = { reply, ...(headers !== undefined && { headers: encodeHeaders(headers) }) };
    this.connection.publish(subject, data, options, (error) => this.#fail(token, error));
  }

  #take(message: Msg): void {
    const token = message.subject.slice(this.#prefix);
    const pending = this.#pending.get(token);
    if (pending === undefined) return;
    const code = message.headers?.code ?? 0;
    if (code === 503 && !pending.isProbe) {
      // JetStream has no leader for it just now, is starting, the stream is missing, or the gate has changed.
      pending.isUnheard = true;
      if (!pending.bounds?.isCheck) void this.#checkStore?.(true);
      const admitted = this.#imports?.admit() ?? Promise.resolve();
      const again = (): unknown => setTimeout(() => this.#again(token), RETRY_MS * 2).unref();
      admitted.then(again, (error: unknown) => this.#fail(token, error));
      return;
    }
    pending.messages.push(message);
    if (pending.isMany && code === 0) return;
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

  #timedOut({ sentAt }: Pending): BusbarError {
    return unavailable('JetStream does not answer', { outcome: sentAt > 0 ? 'unknown' : 'failed' });
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

/** The same error of a call that may have had its effect. */
function unsure({ code, message, hint, retryable }: BusbarError): BusbarError {
  return new BusbarError(code, message, { hint, retryable, outcome: 'unknown' });
}

interface StreamState {
  readonly messages: number;
  readonly last_seq: number;
  readonly last_ts: string;
}

interface ConsumerInfo {
  readonly num_pending: number;
  readonly delivered: { readonly stream_seq: number };
}

const IN_PROCESS = 10_158;
const NO_STREAM = 10_059;

/** `error` as one of Busbar; a refusal of JetStream by its code. */
export function toDriverError(error: unknown, options: BusbarErrorOptions = {}): BusbarError {
  return error instanceof ServerRefusal ? error.with(options) : toNatsError(error, options);
}

/** The sequence of a message that a direct get returned; 0 without a message. */
export function sequenceOf(message: Msg | undefined): number {
  return Number(message?.headers?.get('Nats-Sequence') ?? 0);
}

/** Handler of errors: a refusal has no effect, other errors are thrown. */
export function ignoreRefusal(error: unknown): void {
  if (!(error instanceof ServerRefusal)) throw error;
}

/** Whether the server refused a write because another one was first. */
export function isLostRace(error: unknown): boolean {
  return error instanceof ServerRefusal && (error.refusal === 10_071 || error.refusal === 10_164);
}

/** Headers that are encoded here: the client's own list looks for a name with a pass over all. */
export function encodeHeaders(list: HeaderList): MsgHdrs {
  let text = 'NATS/1.0\r\n';
  for (const name in list) text += `${name}: ${list[name]}\r\n`;
  const bytes = Buffer.from(`${text}\r\n`);
  return { encode: () => bytes } as unknown as MsgHdrs;
}

function parse<T>(message: Msg | undefined): T {
  return JSON.parse(message === undefined ? '{}' : message.string()) as T;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
