/** Reads the stream in order, from a place on, as it grows. */

import { AckPolicy, type ConsumerConfig, DeliverPolicy, type JetStreamManager, ReplayPolicy } from '@nats-io/jetstream';
import { createInbox, type Msg, type NatsConnection, nanos, type Subscription } from '@nats-io/transport-node';

/** A record as it stands in the stream. */
export interface Stored {
  readonly sequence: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** When the server stored it, in milliseconds since 1970. */
  readonly at: number;
}

/** What a follower tells. */
export interface FollowerListener {
  record(stored: Stored): void;
  /** It has seen everything that was there when it began. */
  caughtUp(): void;
  /** It ended: something is missing, or, where it `isSilent`, nothing is heard any more. */
  broken(isSilent: boolean): void;
}

const HEARTBEAT_MS = 1_000;
/** So many heartbeats in a row may be missed: a blocked event loop misses one, however long it was blocked. */
const MAX_MISSED = 3;

/** One ordered consumer, kept by nobody but us: it ends at the first sign of a gap, and is replaced then. */
export class Follower {
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #stream: string;
  readonly #listener: FollowerListener;
  #subscription: Subscription | undefined;
  #name: string | undefined;
  #delivered = 0;
  #next: number;
  #isCaughtUp = false;
  #missed = 0;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(
    connection: NatsConnection,
    manager: JetStreamManager,
    stream: string,
    start: number,
    listener: FollowerListener,
  ) {
    this.#connection = connection;
    this.#manager = manager;
    this.#stream = stream;
    this.#next = start;
    this.#listener = listener;
  }

  async start(): Promise<void> {
    const inbox = createInbox();
    const callback = (error: Error | null, message: Msg): void => {
      if (error !== null) this.#end();
      else if (this.#subscription !== undefined) this.#take(message);
    };
    this.#subscription = this.#connection.subscribe(inbox, { callback });
    const { name, num_pending } = await this.#manager.consumers.add(this.#stream, configOf(inbox, this.#next));
    this.#name = name;
    if (this.#subscription === undefined) {
      this.stop(); // It was stopped meanwhile.
      return;
    }
    if (this.#subscription === undefined) {
      this.stop(); // It was stopped meanwhile.
      return;
    }
    this.#watchdog = setInterval(() => {
      this.#missed += 1;
      if (this.#missed > MAX_MISSED) this.#end(true);
    }, HEARTBEAT_MS);
    if (num_pending === 0) this.#reachEnd();
  }

  /** Ends it without a word, also on the server. */
  stop(): void {
    clearInterval(this.#watchdog);
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    const name = this.#name;
    this.#name = undefined;
    if (name !== undefined && !this.#connection.isClosed()) {
      this.#manager.consumers.delete(this.#stream, name).catch(() => undefined); // It ends by itself soon.
    }
  }

  #take(message: Msg): void {
    this.#missed = 0;
    if (message.headers?.code === 100) {
      this.#answer(message);
      return;
    }
    const [stream, consumer, at, pending] = placeOf(message.reply ?? '');
    if (stream !== this.#next || consumer !== this.#delivered + 1) {
      this.#end();
      return;
    }
    this.#next += 1;
    this.#delivered += 1;
    this.#listener.record({ sequence: stream, subject: message.subject, data: message.data, at });
    if (pending === 0) this.#reachEnd();
  }

  /** Flow control, or a sign of life that says how much was sent. */
  #answer(message: Msg): void {
    const stalled = message.headers?.get('Nats-Consumer-Stalled');
    if (message.reply) message.respond();
    else if (stalled) this.#connection.publish(stalled);
    const last = message.headers?.get('Nats-Last-Consumer');
    if (last && Number(last) !== this.#delivered) this.#end();
  }

  #reachEnd(): void {
    if (this.#isCaughtUp) return;
    this.#isCaughtUp = true;
    this.#listener.caughtUp();
  }

  #end(isSilent = false): void {
    if (this.#subscription === undefined) return;
    this.stop();
    this.#listener.broken(isSilent);
  }
}

function configOf(inbox: string, start: number): Partial<ConsumerConfig> {
  return {
    deliver_subject: inbox,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: start,
    ack_policy: AckPolicy.None,
    replay_policy: ReplayPolicy.Instant,
    max_deliver: 1,
    idle_heartbeat: nanos(HEARTBEAT_MS),
    flow_control: true,
    mem_storage: true,
    num_replicas: 1,
  };
}

/** Sequences in the stream and of the consumer, time, and how many are still to come, of the reply subject of a record. */
function placeOf(reply: string): readonly [stream: number, consumer: number, at: number, pending: number] {
  const tokens = reply.split('.');
  // Newer servers put domain and account before the stream's name.
  const at = tokens.length > 9 ? 7 : 5;
  const [stream = '', consumer = '', time = '', pending = ''] = tokens.slice(at);
  return [Number(stream), Number(consumer), Number(time) / 1e6, Number(pending)];
}
