/** The requests of one transport: publishes to streams, acks, and the requests of {@link RequestInbox}. */

import { BusbarError } from '@busbar/api/transport';
import { isFull, isIncomplete, isLostRace, ServerRefusal, toDriverError, toJetStreamError } from '../errors.ts';
import type { RefusedWrite } from '../gate/earlier-sending.ts';
import { streamOf, subjectOfImport } from '../gate/stream-subjects.ts';
import type { Connection } from './connection.ts';
import { encodeHeaders, type HeaderList } from './message-headers.ts';
import type { Names } from './names.ts';
import { pause } from './pause.ts';
import { type Bounds, parseReply, RequestInbox, SILENCE_MS } from './request-inbox.ts';
import { StreamReader } from './stream-reader.ts';

/** JetStream's reply to a publish. */
export interface PubAck {
  readonly stream: string;
  readonly seq: number;
  readonly duplicate?: boolean;
}

/** A message to store. */
export interface Publication {
  readonly subject: string;
  readonly data: Uint8Array | string;
  readonly headers: HeaderList;
}

/** Writes that a closed store takes: imports at one revision of its gate. */
export interface ImportMode {
  readonly revision: number;
  /** Lets the streams take such writes. Rejects if the gate has another revision. */
  readonly admit: () => Promise<void>;
}

/** A refused write of a client, and the fence that refused it. */
interface Refusal {
  readonly fence: string;
  readonly times: number;
  /** Whether it was sent more than once. */
  readonly isRepeated: boolean;
}

/** Decides about writes that a fence has refused. */
export interface FencedWrites {
  /** A fence has refused a write for so many times. Rejects if the store is closed. */
  refused(fence: string, times: number): Promise<void>;
  /** The sequence of an earlier sending in the closed store, 0 if it was not stored; undefined if that cannot be told. */
  findEarlier(write: RefusedWrite): Promise<number | undefined>;
}

const FLOORS_MS = 200;
const RETRY_MS = 50;
const ASK_MS = 2_000;
const IN_PROCESS = 10_158;

export class ServerRequests extends RequestInbox {
  readonly reader: StreamReader;
  /** The last sequence of each stream that the server has confirmed to this process since the last reconnect. */
  readonly confirmed: Map<string, number> = new Map();
  readonly #names: Names;
  readonly #imports: ImportMode | undefined;
  #fenced: FencedWrites | undefined;
  #floors: ReadonlyMap<string, number> = new Map();
  #flooredAt = Number.NEGATIVE_INFINITY;
  /** Whether the server refused the last write, because its storage is full. */
  #isFull = false;

  /** `imports`: its writes go to a closed store. */
  constructor(connection: Connection, names: Names, imports?: ImportMode) {
    super(connection, imports?.admit);
    this.#names = names;
    this.#imports = imports;
    this.reader = new StreamReader(this, names);
  }

  /** Sets what decides about writes that a fence refuses. */
  onRefused(fenced: FencedWrites): void {
    this.#fenced = fenced;
  }

  /**
   * Publishes to a stream; rejects with BACKPRESSURE without storage, with CONFLICT if the store is closed, else with
   * {@link ServerRefusal} where the server refuses it.
   */
  async publish(
    subject: string,
    data: Uint8Array | string,
    headers?: HeaderList,
    bounds?: Bounds,
  ): Promise<PubAck & { readonly isRepeated: boolean }> {
    const target = this.#targetOf(subject);
    const floors = this.#floorsNow();
    for (let isRepeated = false, times = 0; ; ) {
      const request = this.request(target, data, { headers, bounds });
      const [reply] = await request.replies;
      isRepeated ||= request.isRepeated;
      const ack = parseReply<PubAck & { error?: { err_code: number; description: string } }>(reply);
      if (ack.error === undefined) {
        this.#isFull = false;
        this.noteSequence(ack);
        return { ...ack, isRepeated };
      }
      if (this.#names.isFence(ack.stream) && this.#fenced !== undefined) {
        times += 1;
        const earlier = await this.#refused({ fence: ack.stream, times, isRepeated, subject, headers, floors });
        if (earlier !== undefined) return { ...earlier, isRepeated };
        continue;
      }
      // Another publish of this id is under way in a cluster: its outcome is known soon.
      const { err_code, description } = ack.error;
      this.#isFull = isFull(err_code);
      if (this.#isFull) throw toJetStreamError(err_code, description);
      if (err_code !== IN_PROCESS) throw new ServerRefusal(err_code, description, isRepeated);
      await pause(RETRY_MS);
    }
  }

  /**
   * Publishes messages to one stream, all or none: a refusal of one refuses them all. Resolves with the sequence of the last
   * one; those before it have the sequences before. Rejects with {@link isIncomplete} after a lost connection.
   */
  async publishAll(messages: readonly Publication[], bounds?: Bounds): Promise<number> {
    const last = messages.at(-1);
    if (last === undefined) return 0;
    if (messages.length === 1) return (await this.publish(last.subject, last.data, last.headers, bounds)).seq;
    const id = { 'Nats-Batch-Id': crypto.randomUUID() };
    /** Why the client has not sent one of them. */
    let unsent: unknown;
    for (const [index, { subject, data, headers }] of messages.slice(0, -1).entries()) {
      const batch = { ...id, 'Nats-Batch-Sequence': index + 1 };
      const options = { headers: encodeHeaders({ ...headers, ...batch }) };
      this.connection.publish(this.#targetOf(subject), data, options, (error) => {
        unsent ??= error;
      });
    }
    const end = { ...id, 'Nats-Batch-Sequence': messages.length, 'Nats-Batch-Commit': 1 };
    try {
      return (await this.publish(last.subject, last.data, { ...last.headers, ...end }, bounds)).seq;
    } catch (error) {
      throw isIncomplete(error) && unsent !== undefined ? unsent : error;
    }
  }

  #targetOf(subject: string): string {
    return this.#imports === undefined ? subject : subjectOfImport(this.#names, subject, this.#imports.revision);
  }

  /** Resolves with an earlier sending that is stored, without one to send again. Rejects if the store is closed. */
  async #refused(write: RefusedWrite & Refusal): Promise<PubAck | undefined> {
    const { fence, times, isRepeated, subject } = write;
    try {
      await this.#fenced?.refused(fence, times);
      return undefined;
    } catch (error) {
      if (!isRepeated) throw error;
      const seq = await this.#fenced?.findEarlier(write).catch(() => undefined);
      if (seq === 0) throw error;
      const stream = streamOf(this.#names, subject);
      if (seq === undefined || stream === undefined) throw unsure(toDriverError(error));
      return { stream, seq };
    }
  }

  /** Sequences that the streams have by now. Copied rarely: earlier ones will do. */
  #floorsNow(): ReadonlyMap<string, number> {
    const now = performance.now();
    // After a reconnect fewer are confirmed for a time: those before hold.
    const more = this.confirmed.size - this.#floors.size;
    if (more < 0 || (more === 0 && now < this.#flooredAt + FLOORS_MS)) return this.#floors;
    this.#flooredAt = now;
    this.#floors = new Map(this.confirmed);
    return this.#floors;
  }

  /** Whether the server may refuse or lose a write that has no reply yet. */
  get isUnsure(): boolean {
    return this.#isFull || this.connection.isClustered || !this.connection.isUp;
  }

  /** Publishes with a guard in `headers`, such as the expected last sequence. Undefined if another write was first. */
  async publishGuarded(
    subject: string,
    data: Uint8Array | string,
    headers: HeaderList,
    bounds?: Bounds,
  ): Promise<PubAck | undefined> {
    try {
      return await this.publish(subject, data, headers, bounds);
    } catch (error) {
      if (isLostRace(error)) return undefined;
      throw error;
    }
  }

  /** Takes a sequence that a stream has. */
  noteSequence({ stream, seq }: Pick<PubAck, 'stream' | 'seq'>): void {
    if (seq > (this.confirmed.get(stream) ?? 0)) this.confirmed.set(stream, seq);
    // A key has one value: an older floor would take the last own write for one that hides the next.
    if (stream === this.#names.kv) this.#flooredAt = Number.NEGATIVE_INFINITY;
  }

  /** Publishes without waiting for a reply. Nothing happens while the server is away, or without a subject. */
  send(subject: string, data: Uint8Array | string = '', reply?: string): void {
    if (subject === '' || !this.connection.isUp || this.connection.client.isClosed()) return;
    this.connection.publish(subject, data, reply === undefined ? {} : { reply });
  }

  /** Sends an ack body to a consumer. Resolves when the consumer has applied it and all earlier ones of this process. */
  async confirm(subject: string, ackBody: string): Promise<void> {
    if (subject === '') return;
    await this.request(subject, ackBody, { bounds: { deadline: performance.now() + SILENCE_MS } }).replies;
  }

  /** The reply to an empty request; undefined without one, or where this client may not ask. */
  async ask<T>(subject: string): Promise<T | undefined> {
    try {
      const bounds = { deadline: performance.now() + ASK_MS };
      return (await this.first(subject, '', { bounds, isProbe: true }))?.json<T>();
    } catch {
      return undefined;
    }
  }

  /** Whether a client replies on `subject`. */
  async isServed(subject: string): Promise<boolean> {
    const [reply] = await this.request(subject, '', { isProbe: true }).replies;
    return reply?.headers?.code !== 503;
  }
}

/** The same error of a call that may have had its effect. */
function unsure({ code, message, hint, retryable }: BusbarError): BusbarError {
  return new BusbarError(code, message, { hint, retryable, outcome: 'unknown' });
}
