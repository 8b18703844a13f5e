/** Bare NATS without JetStream: requests, and events that are not stored. */

import { connect } from '@nats-io/transport-node';
import type { Body, Client, TargetLocation } from '../client.ts';

export async function open({ url }: TargetLocation): Promise<Client> {
  const nats = await connect({ servers: url });
  return {
    async respond() {
      const callback = (_error: Error | null, message: { json<T>(): T; respond(text: string): boolean }): void =>
        void message.respond(JSON.stringify(message.json<number>() * 2));
      nats.subscribe('double', { callback });
      await nats.flush();
    },
    request: async (value) => (await nats.request('double', JSON.stringify(value), { timeout: 30_000 })).json(),
    // As its users do: without a wait for the server.
    publish: async (body) => nats.publish('news', JSON.stringify(body)),
    async subscribe(handle) {
      nats.subscribe('news', { callback: (_error, message) => handle(message.json<Body>()) });
      await nats.flush();
    },
    close: () => nats.close(),
  };
}
