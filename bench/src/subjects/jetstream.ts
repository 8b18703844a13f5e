/** Bare JetStream: a work queue stream, publishes with ids, a pull consumer that acknowledges each message. */

import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { Body, Client, Place } from '../client.ts';

const NAME = 'work';

export async function open({ url, durability }: Place): Promise<Client> {
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
      const messages = await consumer.consume({
        max_messages: Math.max(2, inFlight),
        callback(message) {
          handle(message.json<Body>());
          message.ack();
        },
      });
      return async () => {
        await messages.close();
        await nats.flush();
      };
    },
    close: () => nats.close(),
  };
}
