/** The requests of one transport: publishes to streams, acks, and the requests of {@link RequestInbox}. */

import { BusbarError } from '@busbar/api/transport';
import { isFull, isLostRace, ServerRefusal, toDriverError, toJetStreamError } from '../errors.ts';
import type { Connection } from './connection.ts';
import type { HeaderList } from './message-headers.ts';
import type { Names } from './names.ts';
import { pause } from './pause.ts';
import { type Bounds, parseReply, RequestInbox, SILENCE_MS } from './request-inbox.ts';
import { StreamReader } from './stream-reader.ts';
import { subjectOfImport } from './stream-subjects.ts';

/** JetStream's reply to a publish. */
export interface PubAck {
  readonly stream: string;
  readonly seq: number;
  readonly duplicate?: boolean;
}

/** Writes that a closed store takes: imports at one revision of its gate. */
export interface ImportMode {
  readonly revision: number;
  /** Lets the streams take such writes. Rejects if the gate has another revision. */
  readonly admit: () => Promise<void>;
}

const RETRY_MS = 50;
const ASK_MS = 2_000;
const IN_PROCESS = 10_158;

export class ServerRequests extends RequestInbox {
  readonly reader: StreamReader;
  /** The last sequence of each stream that the server has confirmed to this process since the last reconnect. */
  readonly confirmed: Map<string, number> = new Map();
  readonly #names: Names;
  readonly #imports: ImportMode | undefined;
  #onRefused: ((fence: string, times: number) => Promise<void>) | undefined;

  /** `imports`: its writes go to a closed store. */
  constructor(connection: Connection, names: Names, imports?: ImportMode) {
    super(connection, imports?.admit);
    this.#names = names;
    this.#imports = imports;
    this.reader = new StreamReader(this, names);
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
    bounds?: Bounds,
  ): Promise<PubAck & { readonly isRepeated: boolean }> {
    const target =
      this.#imports === undefined ? subject : subjectOfImport(this.#names, subject, this.#imports.revision);
    for (let isRepeated = false, refused = 0; ; ) {
      const request = this.request(target, data, { headers, bounds });
      const [reply] = await request.replies;
      isRepeated ||= request.isRepeated;
      const ack = parseReply<PubAck & { error?: { err_code: number; description: string } }>(reply);
      if (ack.error === undefined) {
        this.noteSequence(ack);
        return { ...ack, isRepeated };
      }
      if (this.#names.isFence(ack.stream) && this.#onRefused !== undefined) {
        refused += 1;
        await this.#onRefused(ack.stream, refused).catch((error: unknown) => {
          throw isRepeated ? unsure(toDriverError(error)) : error;
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
