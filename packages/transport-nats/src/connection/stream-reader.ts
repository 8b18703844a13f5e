/** Reads the messages of streams by direct get. In a cluster it waits for replicas that are behind. */

import type { Msg } from '@nats-io/transport-node';
import { ignoreRefusal, isDenied, ServerRefusal, unavailable } from '../errors.ts';
import { sequenceOf } from './message-headers.ts';
import type { Names } from './names.ts';
import { pause } from './pause.ts';
import { type Bounds, DEFAULT_MS, type RequestInbox } from './request-inbox.ts';

/** The reply to a direct get. */
interface DirectReply {
  readonly messages: readonly Msg[];
  /** How many more there are. */
  readonly pending: number;
  /** The last sequence that the replica has, for a request of last messages. */
  readonly upTo: number;
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

/** Each page costs the server a count of what follows: it looks at every subject that matches. */
const PAGE = { messages: 10_000, bytes: 4_194_304 };
/** The server returns the last messages of at most 1,024 subjects. */
const MAX_SUBJECTS = 500;
/** How long between two looks at a replica that is behind. */
const LAG_MS = 5;

export class StreamReader {
  readonly #requests: RequestInbox;
  readonly #shared = new Map<string, Promise<unknown>>();
  /** A subject that always has a message, by stream. */
  readonly #anchors: ReadonlyMap<string, string>;

  constructor(requests: RequestInbox, names: Names) {
    this.#requests = requests;
    this.#anchors = new Map([
      [names.ledger, names.header],
      [names.kv, names.revisions],
    ]);
  }

  /** Requests messages of a stream: all of one reply, in order. In a cluster the replica that replies may be behind. */
  async get(stream: string, payload: unknown, bounds?: Bounds): Promise<DirectReply> {
    const options = { bounds, isMany: true };
    const replies = await this.#requests.request(directGet(stream), JSON.stringify(payload), options).replies;
    const { headers } = replies.at(-1) ?? {};
    const status = headers?.code ?? 0;
    if (status === 413) throw new ServerRefusal(413, 'too many results');
    const messages = status > 0 ? replies.slice(0, -1) : replies;
    const count = (name: string): number => Number(headers?.get(name) || 0);
    return { messages, pending: count('Nats-Num-Pending'), upTo: count('Nats-UpTo-Sequence') };
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
    bounds?: Bounds,
  ): AsyncGenerator<readonly Msg[], void> {
    for (let seq = from; ; ) {
      const request = { seq, next_by_subj: subject, batch: PAGE.messages, max_bytes: PAGE.bytes };
      const { messages, pending } = await this.get(stream, request, bounds);
      yield messages;
      if (pending === 0 || messages.length === 0) return;
      seq = sequenceOf(messages.at(-1)) + 1;
    }
  }

  /** Pages of the last message of each of these subjects, with all that was acknowledged before. */
  async *lastOf(stream: string, subjects: readonly string[], bounds?: Bounds): AsyncGenerator<readonly Msg[], void> {
    for (let from = 0; from < subjects.length; from += MAX_SUBJECTS) {
      yield await this.#lastOf(stream, subjects.slice(from, from + MAX_SUBJECTS), bounds);
    }
  }

  /** The last message of a subject, with all that was acknowledged before. */
  async last(stream: string, subject: string, bounds?: Bounds): Promise<Msg | undefined> {
    const { isClustered } = this.#requests.connection;
    if (isClustered && !bounds?.isCheck) return (await this.#lastOf(stream, [subject], bounds))[0];
    // The check of a stream that is missing does not wait for it.
    const found = await this.#requests.first(`${directGet(stream)}.${subject}`, '', {
      bounds,
      isProbe: bounds?.isCheck,
    });
    return isClustered && found !== undefined ? (await this.#lastOf(stream, [subject], bounds))[0] : found;
  }

  /** One message of a stream, such as the one at a sequence. */
  one(stream: string, payload: unknown, bounds?: Bounds): Promise<Msg | undefined> {
    return this.#requests.first(directGet(stream), JSON.stringify(payload), { bounds });
  }

  /** Whether a message with this subject is stored from one sequence to another. A consumer may not know of it yet. */
  async has(stream: string, subject: string, from: number, upTo: number): Promise<boolean> {
    if (from > upTo) return false;
    await this.catchUp(stream);
    const found = sequenceOf(await this.one(stream, { seq: from, next_by_subj: subject }));
    return found > 0 && found <= upTo;
  }

  /** When the last message of a stream was stored. */
  async lastStoredAt(stream: string, bounds?: Bounds): Promise<number> {
    return Date.parse((await this.#state(stream, bounds)).last_ts);
  }

  async lastSequence(stream: string, bounds?: Bounds): Promise<number> {
    return (await this.#state(stream, bounds)).last_seq;
  }

  /** The sequence of the last message of a subject, by the leader; 0 without a message. */
  async lastBySubject(stream: string, subject: string): Promise<number> {
    try {
      const path = `STREAM.MSG.GET.${stream}`;
      return (await this.#requests.api<{ message: { seq: number } }>(path, { last_by_subj: subject })).message.seq;
    } catch (error) {
      ignoreRefusal(error);
      return 0;
    }
  }

  /** Resolves when the replica that replies to direct gets has all that was acknowledged before. Only in a cluster it may not. */
  async catchUp(stream: string): Promise<void> {
    if (!this.#requests.connection.isClustered) return;
    return this.#share(stream, () => this.#catchUp(stream));
  }

  /**
   * Resolves when the server of a consumer has all messages that match its filter and were acknowledged before: with whether
   * it was behind.
   */
  async catchUpConsumer(stream: string, consumer: string, filter: string): Promise<boolean> {
    if (!this.#requests.connection.isClustered) return false;
    const until = performance.now() + DEFAULT_MS;
    try {
      await this.catchUp(stream);
      const last = sequenceOf(await this.one(stream, { last_by_subj: filter }));
      for (let wasBehind = false; ; wasBehind = true) {
        const info = await this.#requests.api<ConsumerInfo>(`CONSUMER.INFO.${stream}.${consumer}`);
        if (info.num_pending > 0 || info.delivered.stream_seq >= last) return wasBehind;
        await this.pauseForReplica(until);
      }
    } catch (error) {
      // A user who may read only some queues cannot tell.
      if (!isDenied(error)) ignoreRefusal(error);
      return false;
    }
  }

  /** A pause before a replica is asked again. Throws UNAVAILABLE after `until`, by `performance.now()`. */
  async pauseForReplica(until: number): Promise<void> {
    if (performance.now() > until) throw unavailable('a server of the cluster is behind the others');
    await pause(LAG_MS);
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
      seq = Math.min(seq, await this.lastBySubject(stream, '>'));
    }
  }

  /** In a cluster the leader says how much there is, and a replica that has less is asked again. */
  async #lastOf(stream: string, subjects: readonly string[], bounds: Bounds | undefined): Promise<readonly Msg[]> {
    const read = (multi_last: readonly string[]): Promise<DirectReply> => this.get(stream, { multi_last }, bounds);
    if (!this.#requests.connection.isClustered) return (await read(subjects)).messages;
    const anchor = this.#anchors.get(stream) ?? '';
    const isAdded = anchor !== '' && !subjects.includes(anchor);
    const all = isAdded ? [...subjects, anchor] : subjects;
    const until = bounds?.deadline ?? performance.now() + DEFAULT_MS;
    const ending = bounds?.isCheck
      ? this.lastSequence(stream, bounds)
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

  async #state(stream: string, bounds?: Bounds): Promise<StreamState> {
    return (await this.#requests.api<{ state: StreamState }>(`STREAM.INFO.${stream}`, undefined, bounds)).state;
  }
}

function directGet(stream: string): string {
  return `$JS.API.DIRECT.GET.${stream}`;
}
