/** Calls from client to client through the hub. Nothing is stored. */

import type { CallDriver } from '@busbar/api/driver';
import { encodeInput } from '../wire/message-codec.ts';
import { CallReplies } from './call-replies.ts';
import type { HubClient } from './hub-client.ts';
import type { RemoteService, ServiceRegistry } from './service-registry.ts';

/** Makes and serves calls. */
export function remoteCalls(client: HubClient, services: ServiceRegistry): CallDriver {
  return {
    async serve(address, max, handler, context) {
      const service = services.add(address, max, handler);
      try {
        await client.repeat('calls.serve', service.header, context);
      } catch (error) {
        services.remove(service);
        throw error;
      }
      service.isRegistered = true;
      const close = (): Promise<void> => closeService(client, services, service);
      return { close, [Symbol.asyncDispose]: close };
    },
    call: (address, message, { deadline }) =>
      new CallReplies(client, { address, message: encodeInput(message) }, message.body, deadline),
  };
}

async function closeService(client: HubClient, services: ServiceRegistry, service: RemoteService): Promise<void> {
  // The response comes after all calls that the hub had passed on. Without a connection there are none.
  if (services.remove(service) && client.isConnected) await client.tell('calls.unserve', { serviceId: service.id });
  await service.whenIdle();
}
