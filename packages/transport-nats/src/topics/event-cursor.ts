/** A reader of topics: history, then new events, with ephemeral events in between. */

import { Condition, type EventCursor as Cursor, EphemeralBuffer, positionExpired } from '@busbar/api/driver';
import { matchTopic, type TopicEvent } from '@busbar/api/transport';
import type { Msg, Subscription } from '@nats-io/transport-node';
import type { Names } from '../connection/names.ts';
import type { Puller, WaitingPull } from '../connection/puller.ts';
import type { ServerRequests } from '../connection/server-requests.ts';
import { NS } from '../connection/streams.ts';
import { ignoreRefusal, toNatsError } from '../errors.ts';
import { readDelivery, readStored } from '../queues/stored-message.ts';
import { toPosition } from './position.ts';

/** An event, and its place in the log; an ephemeral one has the place of the last that its publisher knew of. */
interface Placed {
  readonly seq: number;
  readonly event: TopicEvent;
}

/** Shared parts of cursors. */
export interface CursorContext {
  readonly requests: ServerRequests;
  readonly names: Names;
  readonly puller: Puller;
  /** The log of topics as it is now. */
  readonly log: Log;
  /** First and last sequence of the log. */
  readonly bounds: () => Promise<{ first: number; last: number }>;
}

/** Identifies the log of topics. */
export interface Log {
  readonly storeId: string;
  /** The start of the server: at another one the log may have lost its latest events. */
  readonly run: string;
}

interface ConsumerInfo {
  readonly delivered: { readonly consumer_seq: number; readonly stream_seq: number };
}

const READ_AHEAD = 256;
const INACTIVE_MS = 60_000;
const MOVE_MS = 1_000;

export class EventCursor implements Cursor {
  readonly #shared: CursorContext;
  readonly #pattern: string;
  readonly #onClose: () => void;
  readonly #changed = new Condition();
  readonly #passing = new EphemeralBuffer<Placed>();
  readonly #subscription: Subscription;
  /** Events read but not returned yet. */
  #ahead: Placed[] = [];
  /** The sequence of the next event to read. */
  #next: number;
  /** Begins with the oldest event at the time of the first read. */
  #isAtStart: boolean;
  #consumer: string | undefined;
  /** How many messages of the consumer have come. */
  #delivered = 0;
  #waiting: WaitingPull | undefined;
  #mover: NodeJS.Timeout | undefined;
  /** A wait that is open does not tell all: the log is read again. */
  #hasNews = false;
  #error: unknown;
  #isClosed = false;
  /** All events before this sequence were returned, or do not match. */
  #settled: number;

  constructor(
    shared: CursorContext,
    pattern: string,
    { next, isAtStart }: { readonly next: number; readonly isAtStart: boolean },
    onClose: () => void,
  ) {
    this.#onClose = onClose;
    this.#shared = shared;
    this.#pattern = pattern;
    this.#next = next;
    this.#settled = next;
    this.#isAtStart = isAtStart;
    const prefix = shared.names.ephemeral('');
    this.#subscription = shared.requests.connection.client.subscribe(shared.names.ephemeral(pattern), {
      callback: (error, message) => {
        if (error === null) this.#pass(message, message.subject.slice(prefix.length));
        else this.#refused(error);
      },
    });
    shared.requests.connection.onBack(this.#onBack);
  }

  /** The server does not permit the subscription. */
  #refused(error: Error): void {
    this.#error = toNatsError(error);
    this.#readAgain();
  }

  get dropped(): number {
    return this.#passing.dropped;
  }

  get position(): string {
    const next = this.#ahead[0]?.seq ?? this.#settled;
    return toPosition(this.#shared.log.storeId, Math.max(0, Math.min(next, this.#settled) - 1));
  }

  async next(max: number): Promise<readonly TopicEvent[]> {
    this.#settled = this.#ahead[0]?.seq ?? this.#next;
    while (!this.#isClosed) {
      const taken = this.#take(max);
      if (taken.length > 0) return taken;
      if (this.#error !== undefined) throw this.#error;
      this.#settled = this.#next;
      // Without news of stored events a wait goes on: one for each batch of ephemeral events is half of their cost.
      if (this.#waiting === undefined || this.#hasNews || this.#passing.length > 0) {
        await this.#endWait();
        this.#hasNews = false;
        await this.#read();
      }
      if (this.#ahead.length === 0 && this.#passing.length === 0) await this.#wait();
    }
    return [];
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
    this.#shared.requests.connection.offBack(this.#onBack);
    this.#subscription.unsubscribe();
    this.#readAgain();
    const { requests, names } = this.#shared;
    if (this.#consumer !== undefined) requests.send(`$JS.API.CONSUMER.DELETE.${names.topics}.${this.#consumer}`);
    await this.#endWait();
  }

  /** Goes on over a log that was replaced, or that lost the events after `last`. */
  rewind(isReplaced: boolean, last: number): void {
    this.#passing.clear();
    if (isReplaced) {
      this.#next = 1;
      this.#isAtStart = true;
    } else if (this.#next > last + 1) this.#next = last + 1;
    this.#settled = Math.min(this.#settled, this.#next);
    this.#consumer = undefined;
    this.#readAgain();
  }

  readonly #onBack = (): void => this.#readAgain();

  /** Something other than an ephemeral event came: a wait ends. */
  #readAgain(): void {
    this.#hasNews = true;
    this.#changed.notify();
  }

  #take(max: number): TopicEvent[] {
    const taken: TopicEvent[] = [];
    while (taken.length < max) {
      const passing = this.#passing.at(0);
      const ahead = this.#ahead[0];
      if (passing !== undefined && passing.seq < (ahead?.seq ?? this.#next)) {
        this.#passing.shift();
        taken.push(passing.event);
      } else if (ahead !== undefined) {
        this.#ahead.shift();
        taken.push(ahead.event);
      } else break;
    }
    return taken;
  }

  /** Reads stored events. A lost consumer is created again at its sequence. */
  async #read(): Promise<void> {
    const consumer = await this.#open();
    if (consumer === undefined) return;
    // The publisher of an ephemeral event knew that this much was stored before.
    const stored = this.#passing.at(0)?.seq ?? 0;
    const isAwaited = stored >= this.#next;
    const { messages, lost } = await this.#shared.puller.pull(consumer, READ_AHEAD, isAwaited);
    if (consumer !== this.#consumer) return;
    this.#add(messages);
    if (lost || (stored >= this.#next && (await this.#missesSome(consumer)))) this.#consumer = undefined;
    else if (messages.length === 0 && stored >= this.#next && !(await this.#hasUnread(stored))) this.#next = stored + 1;
  }

  /** Whether the server has delivered more than came: a message can meet a withdrawn wait. */
  async #missesSome(consumer: string): Promise<boolean> {
    const info = await this.#infoOf(consumer).catch(ignoreRefusal);
    return info?.delivered.consumer_seq !== this.#delivered;
  }

  /** Whether the log has events to read up to a sequence. The server confirms an event before a consumer knows of it. */
  #hasUnread(upTo: number): Promise<boolean> {
    const { requests, names } = this.#shared;
    return requests.reader.has(names.topics, names.topic(this.#pattern), this.#next, upTo);
  }

  #infoOf(consumer: string): Promise<ConsumerInfo> {
    return this.#shared.requests.api(`CONSUMER.INFO.${this.#shared.names.topics}.${consumer}`);
  }

  #add(messages: readonly Msg[]): void {
    const prefix = this.#shared.names.topic('');
    for (const message of messages) {
      const { seq, cseq, storedAt } = readDelivery(message);
      if (cseq !== this.#delivered + 1) {
        // A message met a withdrawn wait. Another consumer delivers it again.
        this.#consumer = undefined;
        return;
      }
      this.#delivered = cseq;
      if (seq < this.#next) continue;
      this.#next = seq + 1;
      const topic = message.subject.slice(prefix.length);
      if (!matchTopic(this.#pattern, topic)) continue;
      const event = { ...readStored(message, seq, storedAt).message, topic };
      this.#ahead.push({ seq, event: { ...event, position: toPosition(this.#shared.log.storeId, seq) } });
    }
    if (messages.length > 0) this.#isAtStart = false;
  }

  async #open(): Promise<string | undefined> {
    if (this.#consumer !== undefined) return this.#consumer;
    const { requests, names } = this.#shared;
    const { first } = await this.#shared.bounds();
    if (this.#next < first) {
      if (!this.#isAtStart) {
        this.#error = positionExpired();
        return undefined;
      }
      this.#next = first;
    }
    const filter = names.topic(this.#pattern);
    const name = `c${crypto.randomUUID().replaceAll('-', '')}`;
    const config = {
      ...{ name, filter_subject: filter, ack_policy: 'none', deliver_policy: 'by_start_sequence' },
      ...{ opt_start_seq: Math.max(1, this.#next), replay_policy: 'instant', mem_storage: true, num_replicas: 1 },
      inactive_threshold: INACTIVE_MS * NS,
    };
    await requests.api(`CONSUMER.CREATE.${names.topics}.${name}.${filter}`, { stream_name: names.topics, config });
    this.#consumer = name;
    this.#delivered = 0;
    return name;
  }

  /** Waits for an event. */
  async #wait(): Promise<void> {
    if (this.#consumer === undefined || this.#isClosed) return;
    this.#waiting ??= this.#beginWait(this.#consumer);
    if (!this.#hasNews) await this.#changed.wait();
  }

  /** At intervals a wait moves on past events that do not match, and looks for one that was not delivered. */
  #beginWait(consumer: string): WaitingPull {
    const waiting = this.#shared.puller.wait(consumer, 1, (message) => {
      if (consumer === this.#consumer) this.#add([message]);
      this.#readAgain();
    });
    void waiting.over.then((lost) => {
      if (lost && consumer === this.#consumer) this.#consumer = undefined;
      if (waiting === this.#waiting) this.#readAgain();
    });
    this.#mover = setInterval(() => void this.#moveOn(), MOVE_MS).unref();
    return waiting;
  }

  async #endWait(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    clearInterval(this.#mover);
    await waiting?.withdraw();
  }

  /** Moves past the end of the log if the consumer has nothing pending. */
  async #moveOn(): Promise<void> {
    const consumer = this.#consumer;
    if (consumer === undefined || !this.#shared.requests.connection.isUp) return;
    try {
      const { last } = await this.#shared.bounds();
      const { delivered } = await this.#infoOf(consumer);
      const isIdle = (): boolean =>
        consumer === this.#consumer && this.#ahead.length === 0 && this.#waiting !== undefined;
      if (!isIdle()) return;
      if (delivered.stream_seq >= this.#next) {
        await this.#shared.requests.connection.flush();
        if (delivered.stream_seq < this.#next || !isIdle()) return;
        // Its last message met a withdrawn wait. Another consumer delivers it again.
        this.#consumer = undefined;
        this.#readAgain();
        return;
      }
      if ((await this.#hasUnread(last)) || !isIdle()) return;
      this.#next = Math.max(this.#next, last + 1);
      this.#settled = this.#next;
    } catch {
      // The next interval tries again.
    }
  }

  #pass(message: Msg, topic: string): void {
    if (!matchTopic(this.#pattern, topic)) return;
    const { message: stored, envelope } = readStored(message, 0, Date.now());
    const event = Object.assign(stored, { topic, position: undefined });
    const isOwnLog = envelope.run === this.#shared.log.run;
    const seq = isOwnLog ? (envelope.after ?? 0) : 0;
    if (this.#passing.push({ seq, event }, event.body.byteLength)) this.#changed.notify();
  }
}
