/** Bare JetStream: publishes with ids, and a pull consumer that acknowledges each message. */

import { AckPolicy, type JsMsg, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { connect, createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node';
import type { Body, BodyHandler, Client, Stop, TargetLocation } from '../client.ts';
import { pull } from './pull-loop.ts';

const NAME = 'work';
const NEXT = `$JS.API.CONSUMER.MSG.NEXT.${NAME}.${NAME}`;
const WAIT_MS = 1_000;

/** A work queue whose acks are not confirmed, or a stream with limits, as Busbar's, whose acks are confirmed. */
export async function open({ url, durability }: TargetLocation, acks: 'unconfirmed' | 'confirmed'): Promise<Client> {
  const nats = await connect({ servers: url });
  const manager = await jetstreamManager(nats);
  const storage = durability === 'none' ? StorageType.Memory : StorageType.File;
  const retention = acks === 'confirmed' ? RetentionPolicy.Limits : RetentionPolicy.Workqueue;
  await manager.streams.add({ name: NAME, subjects: [NAME], storage, retention });
  await manager.consumers.add(NAME, { durable_name: NAME, ack_policy: AckPolicy.Explicit, max_ack_pending: -1 });
  const stream = jetstream(nats);
  const work = async (inFlight: number, handle: BodyHandler): Promise<Stop> => {
    const consumer = await stream.consumers.get(NAME, NAME);
    const ack =
      acks === 'confirmed' ? new ConfirmedAcks() : { take: (message: JsMsg) => message.ack(), done: () => {} };
    const messages = await consumer.consume({
      max_messages: Math.max(2, inFlight),
      callback(message) {
        try {
          handle(message.json<Body>());
        } catch {
          message.nak();
          return;
        }
        ack.take(message);
      },
    });
    return async () => {
      await messages.close();
      await ack.done();
      await nats.flush();
    };
  };
  return {
    async send([body]) {
      await stream.publish(NAME, JSON.stringify(body), { msgID: crypto.randomUUID() });
    },
    work: async (inFlight, handle) =>
      acks === 'confirmed' && inFlight === 1 ? takeSingly(nats, handle) : work(inFlight, handle),
    close: () => nats.close(),
  };
}

/** The server applies the acks of a connection in order: the last one of each turn is confirmed, and with it the others. */
class ConfirmedAcks {
  readonly #confirming = new Set<Promise<unknown>>();
  #last: JsMsg | undefined;

  take(message: JsMsg): void {
    if (this.#last === undefined) setImmediate(() => this.#confirm());
    else this.#last.ack();
    this.#last = message;
  }

  async done(): Promise<void> {
    this.#confirm();
    await Promise.all(this.#confirming);
  }

  #confirm(): void {
    const confirming = this.#last?.ackAck();
    this.#last = undefined;
    if (confirming === undefined) return;
    this.#confirming.add(confirming);
    void confirming.then(() => this.#confirming.delete(confirming));
  }
}

/** One message at a time: a pull, then a confirmed ack. */
function takeSingly(nats: NatsConnection, handle: BodyHandler): Stop {
  const request = JSON.stringify({ batch: 1, expires: WAIT_MS * 1e6 });
  const reply = createInbox();
  let next = Promise.withResolvers<Msg>();
  const subscription = nats.subscribe(reply, { callback: (_error, message) => next.resolve(message) });
  const stop = pull(1, {
    async receive() {
      next = Promise.withResolvers();
      nats.publish(NEXT, request, { reply });
      const message = await next.promise;
      if (message.reply) handle(message.json<Body>());
      return message.reply;
    },
    settle: async (subject) => void (subject && (await nats.request(subject, '+ACK', { timeout: 30_000 }))),
  });
  return () => stop().finally(() => subscription.unsubscribe());
}
