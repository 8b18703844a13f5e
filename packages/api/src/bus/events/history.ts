/** Reads stored events up to the present end. */

import type { CallOptions } from '../../contract/call-options.ts';
import { BusbarError, invalid } from '../../contract/errors.ts';
import type { TopicEvent } from '../../contract/message.ts';
import type { From, TopicSubscription } from '../../contract/topics.ts';
import type { Transport } from '../../contract/transport.ts';
import { checkFrom, checkInteger, checkOptions, checkSignal } from '../../contract/validation.ts';
import { Condition } from '../../driver-kit/condition.ts';
import { BoundedWait } from '../bounded-wait.ts';
import { type ReceivedMessage, toReadable } from '../consuming/received.ts';
import type { TopicDefinition } from '../messages/definitions.ts';
import { toBounds } from '../messages/message-options.ts';
import { validate } from '../messages/schema.ts';
import type { BusRuntime } from '../runtime.ts';
import { type TopicPlan, toPatternPlan } from './events.ts';

/** Which part of the history to read. */
export interface HistoryOptions extends CallOptions {
  /** Where to begin. Default `start`: the oldest stored event. */
  readonly from?: Exclude<From, 'new'> | undefined;
  /** The most events, 1 or more. Default: all. */
  readonly limit?: number | undefined;
}

/**
 * Reads the stored events of a topic or pattern in order and ends. A body that cannot be decoded stays bytes. If positions
 * are not comparable, it ends after 300 ms without an event.
 */
export function readHistory(
  runtime: BusRuntime,
  topic: string | TopicDefinition,
  options: HistoryOptions = {},
): AsyncGenerator<ReceivedMessage, void, void> {
  runtime.assertOpen();
  const plan = toPatternPlan(topic);
  checkOptions(options, ['from', 'limit', 'timeoutMs', 'signal'], 'history options');
  checkFrom(options.from);
  checkInteger(options.limit, 'limit', { min: 1, max: Number.MAX_SAFE_INTEGER });
  checkSignal(options.signal);
  if ((options.from as From) === 'new') throw invalid("history cannot begin at 'new'", 'Use subscribe for new events.');
  return read(runtime, plan, options);
}

async function* read(
  { transport, bodyCodec }: BusRuntime,
  { topic: pattern, schema }: TopicPlan,
  options: HistoryOptions,
): AsyncGenerator<ReceivedMessage, void, void> {
  const { from = 'start', limit = Number.POSITIVE_INFINITY } = options;
  const end = await presentEnd(transport, pattern, toBounds(options));
  await using reader = await EventReader.open(transport, pattern, from, { ...options, end });
  for (let left = limit; left > 0; left -= 1) {
    const event = await reader.next();
    if (event === undefined) return;
    const received = await toReadable(bodyCodec, event);
    if (schema === undefined) yield received;
    else yield { ...received, body: await validate(schema, received.body, `event ${event.id} of ${event.topic}`) };
  }
}

/** The position after the last event; undefined if positions are not comparable. */
async function presentEnd(transport: Transport, pattern: string, bounds: CallOptions): Promise<string | undefined> {
  if (!transport.capabilities.features.comparablePositions) return undefined;
  await using probe = await transport.topics.subscribe(pattern, { from: 'new', ...bounds }, () => undefined);
  return probe.position;
}

/** This many ticks without an event are the end. One long timer would also expire while the process is suspended. */
const QUIET_TICKS = 6;
const TICK_MS = 50;
/** The interval of checks for the end: events that do not match move the position silently. */
const LOOK_MS = 2;

/** Reads events one by one at the pace of its caller. */
class EventReader implements AsyncDisposable {
  readonly #wait: BoundedWait;
  readonly #endAt: string | undefined;
  #subscription: TopicSubscription | undefined;
  #batch: TopicEvent[] = [];
  /** Lets the subscription continue after a batch was read. */
  #credit: (() => void) | undefined;
  readonly #changed = new Condition();
  #error: BusbarError | undefined;
  #isClosed = false;

  private constructor(wait: BoundedWait, end: string | undefined) {
    this.#wait = wait;
    this.#endAt = end;
  }

  /** Starts to read. Without a position `end` it ends after a time without events. */
  static async open(
    transport: Transport,
    pattern: string,
    from: From,
    options: CallOptions & { readonly end: string | undefined },
  ): Promise<EventReader> {
    const { signal } = options;
    const reader = new EventReader(new BoundedWait({ waitMs: Number.POSITIVE_INFINITY, signal }), options.end);
    const onEvents = (events: readonly TopicEvent[]): Promise<void> => reader.#take(events);
    try {
      reader.#subscription = await transport.topics.subscribe(pattern, { from, ...toBounds(options) }, onEvents);
    } catch (error) {
      reader.#wait.end();
      throw error;
    }
    void reader.#subscription.ended.then((error) => reader.#end(error));
    return reader;
  }

  /** The next event; undefined at the end. Rejects with the error that ended the subscription. */
  async next(): Promise<TopicEvent | undefined> {
    this.#wait.throwIfCancelled();
    for (let quiet = 0; this.#batch.length === 0; ) {
      this.#credit?.();
      if (this.#error !== undefined) throw this.#error;
      if (this.#isClosed || this.#isAtEnd() || quiet === QUIET_TICKS) return undefined;
      const changed = this.#changed.wait();
      if (this.#endAt !== undefined) await this.#wait.raceTimer(changed, LOOK_MS);
      else if (await this.#wait.raceTimer(changed, TICK_MS)) quiet += 1;
      else quiet = 0;
    }
    const event = this.#batch.shift();
    return this.#isBeyond(event?.position) ? undefined : event;
  }

  #isAtEnd(): boolean {
    const position = this.#subscription?.position;
    return position !== undefined && this.#endAt !== undefined && position >= this.#endAt;
  }

  #isBeyond(position: string | undefined): boolean {
    return position !== undefined && this.#endAt !== undefined && position > this.#endAt;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wait.end();
    this.#isClosed = true;
    this.#credit?.();
    await this.#subscription?.close();
  }

  async #take(events: readonly TopicEvent[]): Promise<void> {
    // Ephemeral events are not stored.
    this.#batch = events.filter((event) => event.position !== undefined);
    if (this.#batch.length === 0 || this.#isClosed) return;
    this.#changed.notify();
    await new Promise<void>((resolve) => {
      this.#credit = resolve;
    });
    this.#credit = undefined;
  }

  /** A subscription that ends by itself is an error, not the end of the history. */
  #end(error: BusbarError | undefined): void {
    if (this.#isClosed) return;
    this.#error = error ?? new BusbarError('CLOSED', 'the transport was closed', { hint: 'Open a new one.' });
    this.#changed.notify();
  }
}
