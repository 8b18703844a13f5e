/** Bare JetStream: a work queue stream, publishes with ids, a pull consumer that acknowledges each message. */

import { AckPolicy, type JsMsg, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { Body, Client, Place } from '../client.ts';

const NAME = 'work';

/** Opens it; the server is told of an ack, or asked whether it took it in. */
export async function open({ url, durability }: Place, acking: 'told' | 'asked'): Promise<Client> {
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
      const asked = new Set<Promise<boolean>>();
      const ack = (message: JsMsg): void => {
        if (acking === 'told') message.ack();
        else asked.add(message.ackAck());
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
        await Promise.all(asked);
        await nats.flush();
      };
    },
    close: () => nats.close(),
  };
}
