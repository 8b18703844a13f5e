/** Reads events of the past from the stream. */

import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream';
import { createInbox, type Msg, nanos } from '@nats-io/transport-node';
import type { NumberedEvent } from './recent-events.ts';
import { decodeRecord } from './record.ts';
import type { Replica } from './replica.ts';
import { PLACES } from './state/history.ts';

/** A piece of the history: its events, and where to go on. */
export interface Chunk {
  readonly events: readonly NumberedEvent[];
  readonly next: number;
}

const RECORDS = 64;
const BATCH_MS = 5_000;
const KEEP_MS = 10_000;
/** How long a server of a cluster may take to have what another one has acknowledged. */
const LAG_MS = 1_000;

/** Reads on from where it is, record by record. It is for one reader at a time. */
export class HistoryReader {
  readonly #replica: Replica;
  /** The consumer on the server, and the number it goes on at. */
  #consumer: { readonly name: string; next: number } | undefined;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** Some events from `number` on; all of a record or none. `next` is the end of the log where nothing is left. */
  async read(number: number): Promise<Chunk> {
    const { recent, state } = this.#replica;
    state.history.assertKept(number);
    if (number > state.history.last) return { events: [], next: number };
    if (number >= recent.from) return readRecent(this.#replica, number);
    return this.#fromStream(number);
  }

  /** Ends its consumer on the server. */
  close(): void {
    const { link, manager, names } = this.#replica;
    const name = this.#consumer?.name;
    this.#consumer = undefined;
    if (name !== undefined && link.isUp) manager.consumers.delete(names.stream, name).catch(() => undefined); // It ends by itself.
  }

  async #fromStream(number: number): Promise<Chunk> {
    const messages = await this.#fetch(number).catch(async (error: unknown) => {
      this.#consumer = undefined;
      if (this.#replica.link.isUp) throw error;
      await this.#replica.ask({ op: 'tick' }); // It waits for the server to be back.
      return [];
    });
    const { history } = this.#replica.state;
    const events: NumberedEvent[] = [];
    let next = number;
    for (const { reply, data } of messages) {
      const sequence = sequenceOf(reply ?? '');
      for (const event of eventsOf(data, sequence)) {
        if (event.number >= number && history.has(event.number)) events.push(event);
        next = Math.max(next, event.number + 1);
      }
    }
    history.assertKept(number);
    if (this.#consumer !== undefined) this.#consumer.next = next;
    return { events, next };
  }

  async #fetch(number: number): Promise<Msg[]> {
    const { manager, names } = this.#replica;
    if (this.#consumer === undefined || this.#consumer.next !== number) {
      this.close();
      const { name } = await manager.consumers.add(names.stream, {
        ack_policy: AckPolicy.None,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: Math.max(1, Math.floor(number / PLACES)),
        filter_subject: names.events,
        inactive_threshold: nanos(KEEP_MS),
        mem_storage: true,
        num_replicas: 1,
      });
      this.#consumer = { name, next: number };
    }
    const messages = await this.#pull(this.#consumer.name, { batch: RECORDS, no_wait: true });
    // The consumer may be on a server of a cluster that has less than we know of: it has more soon.
    if (messages.length > 0 || this.#consumer === undefined) return messages;
    return this.#pull(this.#consumer.name, { batch: 1, expires: nanos(LAG_MS) });
  }

  async #pull(consumer: string, wanted: { batch: number; no_wait?: boolean; expires?: number }): Promise<Msg[]> {
    const { link, names } = this.#replica;
    const inbox = createInbox();
    const subscription = link.connection.subscribe(inbox);
    const give = setTimeout(() => {
      this.#consumer = undefined; // It may have given more than came.
      subscription.unsubscribe();
    }, BATCH_MS);
    link.connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${names.stream}.${consumer}`, JSON.stringify(wanted), {
      reply: inbox,
    });
    const messages: Msg[] = [];
    for await (const message of subscription) {
      if (message.headers !== undefined && message.headers.code >= 300) {
        if (message.headers.code !== 404 && message.headers.code !== 408) this.#consumer = undefined;
        break;
      }
      messages.push(message);
      if (messages.length === wanted.batch || pendingOf(message.reply ?? '') === 0) break;
    }
    clearTimeout(give);
    subscription.unsubscribe();
    return messages;
  }
}

function readRecent({ recent, state }: Replica, number: number): Chunk {
  const events: NumberedEvent[] = [];
  for (const event of recent.since(number)) {
    events.push(event);
    if (events.length >= PLACES) return { events, next: event.number + 1 };
  }
  return { events, next: state.history.last + 1 };
}

function* eventsOf(data: Uint8Array, sequence: number): Iterable<NumberedEvent> {
  let number = sequence * PLACES;
  for (const operation of decodeRecord(data).operations) {
    if (operation.op !== 'publish') continue;
    for (const message of operation.messages) {
      yield { number, topic: operation.topic, message };
      number += 1;
    }
  }
}

/** Of a pulled record: $JS.ACK.stream.consumer.deliveries.sequence.consumed.time.pending, with two more in front on newer servers. */
function tokenOf(reply: string, index: number): number {
  const tokens = reply.split('.');
  return Number(tokens[tokens.length > 9 ? index + 2 : index]);
}

function sequenceOf(reply: string): number {
  return tokenOf(reply, 5);
}

function pendingOf(reply: string): number {
  return tokenOf(reply, 8);
}
