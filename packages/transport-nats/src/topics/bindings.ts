/** Feeds bound queues: each client that uses one copies its events from the topics into it. */

import type { CallContext } from '@busbar/api/driver';
import { matchTopic } from '@busbar/api/transport';
import type { Msg } from '@nats-io/transport-node';
import { digest, type Lane } from '../connection/names.ts';
import { pause } from '../connection/pause.ts';
import { Puller, type WaitingPull } from '../connection/puller.ts';
import { NS, streamInfo } from '../connection/streams.ts';
import { ignoreRefusal, isClosedError, ServerRefusal } from '../errors.ts';
import type { QueueContext } from '../queues/queue-context.ts';
import type { KnownQueue, QueueBinding, QueueRecord } from '../queues/queue-record.ts';
import { laneFor } from '../queues/send.ts';
import { encode, readDelivery, readDirect, readPulled, type StoredMessage } from '../queues/stored-message.ts';

const BATCH = 256;
const ACK_WAIT_MS = 30_000;
const RETRY_MS = 10;
/** How long other clients may take to return events when the store closes. */
const RETURN_MS = 1_000;

interface ConsumerInfo {
  readonly ack_floor: { readonly stream_seq: number };
  readonly delivered: { readonly stream_seq: number };
  readonly num_ack_pending: number;
}

export class Bindings {
  readonly #shared: QueueContext;
  readonly #puller: Puller;
  readonly #pumping = new Map<string, Promise<void>>();
  /** When the last copies of a binding are sent, by its consumer. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(shared: QueueContext) {
    this.#shared = shared;
    this.#puller = new Puller(shared.requests.connection, shared.names.topics, 'handle');
  }

  /** Records a binding that covers the events from `since` on. */
  async bind(queue: string, pattern: string, since: number, context?: CallContext): Promise<void> {
    const { records, requests, names } = this.#shared;
    const add = (known: QueueRecord | undefined): QueueRecord | undefined => {
      const record = known ?? { ...records.newRecord(queue), direct: false };
      if (record.bindings.some((binding) => binding.pattern === pattern)) return undefined;
      const consumer = digest(`${queue}\0${pattern}\0${record.inc}\0${since}`);
      return { ...record, bindings: [...record.bindings, { pattern, since, consumer }] };
    };
    const known = await records.change(queue, add, context);
    const binding = known?.record.bindings.find((each) => each.pattern === pattern);
    if (binding === undefined) return;
    await this.#ensure(binding);
    requests.send(names.notice(queue));
  }

  async unbind(queue: string, pattern: string, context: CallContext): Promise<void> {
    const { records, requests, names } = this.#shared;
    const known = await records.read(queue, context);
    const binding = known?.record.bindings.find((each) => each.pattern === pattern);
    if (known === undefined || binding === undefined) return;
    await this.pump(known);
    await records.change(
      queue,
      (record) => record && { ...record, bindings: record.bindings.filter((each) => each.pattern !== pattern) },
      context,
    );
    requests.send(names.notice(queue));
    // It still copies the events that other bindings left to it.
    const { state } = await streamInfo(requests, this.#shared.clock, names.topics);
    await this.#drain(known, binding, state.last_seq);
    await this.removeConsumers([binding]);
  }

  /** Copies the events published until now. */
  pump(queue: KnownQueue): Promise<void> {
    const { name } = queue;
    let pumping = this.#pumping.get(name);
    if (pumping === undefined) {
      pumping = this.#pump(queue).finally(() => this.#pumping.delete(name));
      this.#pumping.set(name, pumping);
    }
    return pumping;
  }

  /**
   * Copies all events of a queue in a store that has just closed. Other clients return those that they had pulled. Of one that
   * does not, the events are read in the log.
   */
  async finish(queue: KnownQueue): Promise<void> {
    const { requests, names } = this.#shared;
    const until = performance.now() + RETURN_MS;
    for (;;) {
      await this.pump(queue);
      const held: { binding: QueueBinding; info: ConsumerInfo }[] = [];
      for (const binding of queue.record.bindings) {
        const info = await requests.api<ConsumerInfo>(`CONSUMER.INFO.${names.topics}.${binding.consumer}`);
        if (info.num_ack_pending > 0) held.push({ binding, info });
      }
      if (held.length === 0) return;
      if (performance.now() < until) await pause(RETRY_MS);
      else return void (await Promise.all(held.map(({ binding, info }) => this.#copyHeld(queue, binding, info))));
    }
  }

  /** Copies the events that a client has pulled and does not return. The server knows the ids of those that it had copied. */
  async #copyHeld(queue: KnownQueue, binding: QueueBinding, { ack_floor, delivered }: ConsumerInfo): Promise<void> {
    const { requests, names } = this.#shared;
    const pages = requests.reader.scan(names.topics, names.topic(binding.pattern), ack_floor.stream_seq + 1);
    for await (const page of pages) {
      const events = page.map(readDirect).filter(({ seq }) => seq <= delivered.stream_seq);
      const copies = events.map(({ subject, ...stored }) => ({ topic: subject.slice(names.topic('').length), stored }));
      await (await this.#add(queue, queue.record.bindings, binding, copies)).stored;
    }
  }

  /** Pulls that copy new events. `busy` holds the running copies. */
  wait(queue: KnownQueue, wake: () => void, busy: Set<Promise<void>>): WaitingPull[] {
    return queue.record.bindings.map((binding) => {
      const take = (message: Msg): void => {
        track(busy, this.#copy(queue, binding, [message]));
      };
      const pull = this.#puller.wait(binding.consumer, BATCH, take);
      void pull.over.then(wake);
      return pull;
    });
  }

  async removeConsumers(bindings: readonly QueueBinding[]): Promise<void> {
    const { requests, names } = this.#shared;
    await Promise.all(
      bindings.map(({ consumer }) => requests.api(`CONSUMER.DELETE.${names.topics}.${consumer}`).catch(ignoreRefusal)),
    );
  }

  async #pump(queue: KnownQueue): Promise<void> {
    const { requests } = this.#shared;
    for (const binding of queue.record.bindings) {
      for (;;) {
        const { messages, lost } = await this.#puller.pull(binding.consumer, BATCH);
        if (lost && !(await this.#isAlive(queue.name, binding))) break;
        await this.#copy(queue, binding, messages);
        if (messages.length < BATCH && !lost && !(requests.connection.isClustered && (await this.#hasMore(binding))))
          break;
      }
    }
  }

  /** Whether the log has more events for a binding, up to a sequence. Its consumer may not know of them yet. */
  async #hasMore({ consumer, pattern }: QueueBinding, upTo: number = Number.POSITIVE_INFINITY): Promise<boolean> {
    const { requests, names } = this.#shared;
    const path = `CONSUMER.INFO.${names.topics}.${consumer}`;
    const info = await requests.api<ConsumerInfo>(path).catch(ignoreRefusal);
    if (info === undefined) return false;
    return requests.reader.has(names.topics, names.topic(pattern), info.delivered.stream_seq + 1, upTo);
  }

  /** Makes the consumer of a binding again where it was lost; false where the binding has ended. */
  async #isAlive(name: string, { consumer }: QueueBinding): Promise<boolean> {
    const { records, requests } = this.#shared;
    if (!requests.connection.isUp) return false;
    const binding = (await records.read(name))?.record.bindings.find((each) => each.consumer === consumer);
    if (binding === undefined) return false;
    await this.#ensure(binding);
    await pause(RETRY_MS);
    return true;
  }

  /** Copies the events of an ended binding, up to its end. */
  async #drain(queue: KnownQueue, binding: QueueBinding, last: number): Promise<void> {
    for (;;) {
      const { messages } = await this.#puller.pull(binding.consumer, BATCH);
      const covered = messages.filter((message) => readDelivery(message).seq <= last);
      await this.#handle(covered, binding, () => this.#send(queue, queue.record.bindings, binding, covered));
      if (messages.length < BATCH && !(await this.#hasMore(binding, last))) return;
    }
  }

  async #copy(queue: KnownQueue, binding: QueueBinding, messages: readonly Msg[]): Promise<void> {
    if (messages.length === 0) return;
    await this.#handle(messages, binding, async () => {
      // The bindings of now, after the publish, decide which one copies an event.
      const isShared = queue.record.bindings.length > 1;
      const now = isShared ? await this.#shared.records.read(queue.name) : queue;
      return this.#send(queue, now?.record.bindings ?? [], binding, messages);
    });
  }

  /** Acks events after their copies are stored. */
  async #handle(
    messages: readonly Msg[],
    binding: QueueBinding,
    send: () => Promise<{ stored: Promise<unknown> }>,
  ): Promise<void> {
    const { requests } = this.#shared;
    try {
      await this.#inTurn(binding, send);
    } catch (error) {
      // The client that closes the store copies them.
      if (isClosedError(error)) for (const message of messages) requests.send(message.reply ?? '', '-NAK');
      throw error;
    }
    for (const message of messages) requests.send(message.reply ?? '', '+ACK');
  }

  /** Sends the copies of one binding in the order in which its events came. It does not wait until the earlier ones are stored. */
  async #inTurn({ consumer }: QueueBinding, send: () => Promise<{ stored: Promise<unknown> }>): Promise<void> {
    const sent = (this.#turns.get(consumer) ?? Promise.resolve()).then(send);
    const turn = sent.catch(() => undefined);
    this.#turns.set(consumer, turn);
    try {
      await (await sent).stored;
    } finally {
      if (this.#turns.get(consumer) === turn) this.#turns.delete(consumer);
    }
  }

  async #send(
    queue: KnownQueue,
    bindings: readonly QueueBinding[],
    binding: QueueBinding,
    messages: readonly Msg[],
  ): Promise<{ stored: Promise<unknown> }> {
    const { names } = this.#shared;
    const events = messages.map((message) => {
      return { topic: message.subject.slice(names.topic('').length), stored: readPulled(message) };
    });
    return this.#add(queue, bindings, binding, events);
  }

  async #add(
    queue: KnownQueue,
    bindings: readonly QueueBinding[],
    binding: QueueBinding,
    events: readonly { readonly topic: string; readonly stored: StoredMessage }[],
  ): Promise<{ stored: Promise<unknown> }> {
    const copies: Promise<void>[] = [];
    let current = queue;
    for (const { topic, stored } of events) {
      if (!isOwn(bindings, binding, topic, stored.seq)) continue;
      const lane = this.#laneOf(stored);
      current = await this.#shared.records.useLane(current, lane);
      const copy = this.#publish(current, lane, topic, stored);
      copy.catch(() => undefined); // The loop may fail before all are awaited.
      copies.push(copy);
    }
    return { stored: Promise.all(copies) };
  }

  #laneOf({ message: event, envelope }: StoredMessage): Lane {
    const delayMs = (envelope.dueAt ?? 0) > this.#shared.clock.now ? 1 : 0;
    return laneFor({ ...event, delayMs });
  }

  async #publish(queue: KnownQueue, lane: Lane, topic: string, stored: StoredMessage): Promise<void> {
    const { requests, names } = this.#shared;
    const { message: event, envelope, seq } = stored;
    const { inc } = queue.record;
    const { data, headers } = encode({ ...event, topic }, { ...envelope, inc }, `${inc}.e.${seq}`);
    await requests.publish(names.lane(queue.name, lane), data, headers);
  }

  async #ensure({ pattern, since, consumer }: QueueBinding): Promise<void> {
    const { requests, names } = this.#shared;
    const filter = names.topic(pattern);
    const config = {
      ...{ name: consumer, durable_name: consumer, filter_subject: filter, ack_policy: 'explicit' },
      ...{ ack_wait: ACK_WAIT_MS * NS, deliver_policy: 'by_start_sequence', opt_start_seq: Math.max(1, since) },
      ...{ replay_policy: 'instant', max_waiting: 100_000, max_ack_pending: -1 },
    };
    const request = { stream_name: names.topics, config, action: 'create' };
    try {
      await requests.api(`CONSUMER.CREATE.${names.topics}.${consumer}.${filter}`, request);
    } catch (error) {
      // Another client made it.
      if (!(error instanceof ServerRefusal) || ![10_148, 10_105, 10_013].includes(error.refusal)) throw error;
    }
  }
}

/** Keeps work in `busy` until its end. Failed work is redelivered. */
export function track(busy: Set<Promise<void>>, work: Promise<void>): void {
  const tracked = work.catch(() => undefined).finally(() => busy.delete(tracked));
  busy.add(tracked);
}

/** Of all bindings that cover an event the one that was bound first copies it: once, without memory. */
function isOwn(bindings: readonly QueueBinding[], own: QueueBinding, topic: string, seq: number): boolean {
  const first = bindings.find(({ pattern, since }) => seq >= since && matchTopic(pattern, topic));
  return first?.consumer === own.consumer;
}
