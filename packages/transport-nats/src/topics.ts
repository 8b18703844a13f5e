/** Topics: published events are records of the log; those who follow read it, or the stream when they are behind. */

import type { CallContext, PreparedMessage, TopicDriver } from '@busbar/api/driver';
import { type From, invalid, type PublishResult, quote } from '@busbar/api/transport';
import type { Msg } from '@nats-io/transport-node';
import { Reader, Writer } from './codec.ts';
import { EventCursor, endOf } from './event-cursor.ts';
import type { Feeder } from './feeder.ts';
import { askInPieces, inPieces } from './pieces.ts';
import { messageSize } from './record.ts';
import type { Replica } from './replica.ts';

/** The topics of one transport. */
export class Topics implements TopicDriver {
  readonly #replica: Replica;
  readonly #feeder: Feeder;
  readonly #cursors = new Set<EventCursor>();
  #last = 0;

  constructor(replica: Replica, feeder: Feeder) {
    this.#replica = replica;
    this.#feeder = feeder;
    const wake = (): void => {
      for (const cursor of this.#cursors) cursor.wake();
    };
    replica.observe({
      ready: () => undefined,
      used: () => undefined,
      moved: () => {
        const { last } = replica.state.history;
        if (last === this.#last) return;
        this.#last = last;
        wake();
      },
      reloaded: wake,
    });
  }

  async publish(
    topic: string,
    messages: readonly PreparedMessage[],
    ephemeral: boolean,
    context: CallContext,
  ): Promise<PublishResult[]> {
    if (ephemeral) return messages.map((message) => this.#pass(topic, message));
    return askInPieces(inPieces(messages, messageSize), (piece) =>
      this.#replica.ask({ op: 'publish', topic, messages: piece }, context),
    );
  }

  async open(pattern: string, from: From): Promise<EventCursor> {
    const { link, names } = this.#replica;
    await this.#replica.barrier();
    const number = this.#resolve(from);
    const cursor: EventCursor = new EventCursor(this.#replica, pattern, number, from === 'start', () => {
      this.#cursors.delete(cursor);
      subscription.unsubscribe();
    });
    const subscription = link.connection.subscribe(`${names.passing}${pattern}`, {
      callback: (error, message) => {
        if (error === null) void this.#onPassing(cursor, message);
      },
    });
    this.#cursors.add(cursor);
    await link.connection.flush();
    return cursor;
  }

  async bind(queue: string, pattern: string, from: From, context: CallContext): Promise<void> {
    await this.#replica.barrier();
    const since = from === 'new' ? undefined : this.#resolve(from);
    await this.#replica.ask({ op: 'bind', queue, pattern, since }, context);
    await this.#feeder.begin(queue);
  }

  async unbind(queue: string, pattern: string, context: CallContext): Promise<void> {
    await this.#replica.ask({ op: 'unbind', queue, pattern }, context);
  }

  /** The number of the first event that reading from `from` gives. */
  #resolve(from: From): number {
    const { state } = this.#replica;
    if (from === 'new') return state.history.last + 1;
    if (from === 'start') return state.history.trimmed + 1;
    if ('time' in from) return state.history.firstSince(from.time);
    const number = state.parsePosition(from.after);
    if (number === undefined || number >= endOf(this.#replica)) {
      throw invalid(`${quote(from.after)} is no position of this store`, 'Use a position that this store gave.');
    }
    state.history.assertKept(number + 1);
    return number + 1;
  }

  /** Hands an event to those who listen now; it tells what its publisher knew of, so that it does not come before that. */
  #pass(topic: string, message: PreparedMessage): PublishResult {
    const { link, names, sequence, state } = this.#replica;
    const writer = new Writer();
    const data = writer.finish({ after: state.history.last, record: sequence, message: writer.message(message) });
    link.connection.publish(`${names.passing}${topic}`, data);
    return { id: message.id, status: 'stored' };
  }

  async #onPassing(cursor: EventCursor, message: Msg): Promise<void> {
    const topic = message.subject.slice(this.#replica.names.passing.length);
    const reader = new Reader(message.data);
    const { after, record, message: head } = reader.line as { after: number; record: number; message: never };
    const event = reader.message(head);
    if (record > this.#replica.sequence) await this.#replica.reached(record);
    cursor.pass(topic, event, after);
  }
}
