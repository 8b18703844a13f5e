/** Bare JetStream: a work queue stream, publishes with ids, a pull consumer that acknowledges each message. */

import { AckPolicy, type JsMsg, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { Body, Client, TargetLocation } from '../client.ts';

const NAME = 'work';

/** Opens it. The server confirms each ack, or does not. */
export async function open({ url, durability }: TargetLocation, acks: 'unconfirmed' | 'confirmed'): Promise<Client> {
  const nats = await connect({ servers: url });
  const manager = await jetstreamManager(nats);
  const storage = durability === 'none' ? StorageType.Memory : StorageType.File;
  await manager.streams.add({ name: NAME, subjects: [NAME], storage, retention: RetentionPolicy.Workqueue });
  await manager.consumers.add(NAME, { durable_name: NAME, ack_policy: AckPolicy.Explicit, max_ack_pending: -1 });
  const stream = jetstream(nats);
  return {
    async send([body]) {
      await stream.publish(NAME, JSON.stringify(body), { msgID: crypto.randomUUID() });
    },
    async work(inFlight, handle) {
      const consumer = await stream.consumers.get(NAME, NAME);
      const confirmations = new Set<Promise<boolean>>();
      const ack = (message: JsMsg): void => {
        if (acks === 'unconfirmed') message.ack();
        else confirmations.add(message.ackAck());
      };
      const messages = await consumer.consume({
        max_messages: Math.max(2, inFlight),
        callback(message) {
          handle(message.json<Body>());
          ack(message);
        },
      });
      return async () => {
        await messages.close();
        await Promise.all(confirmations);
        await nats.flush();
      };
    },
    close: () => nats.close(),
  };
}
