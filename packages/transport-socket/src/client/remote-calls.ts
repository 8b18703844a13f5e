/** Calls from client to client through the hub. Nothing is stored. */

import { type CallDriver, CallReplies } from '@busbar/api/driver';
import { CALL_CREDIT, decodeMessage, encodeInput, FRAME, frame, type Header } from '@busbar/wire';
import type { HubClient } from './hub-client.ts';
import type { RemoteService, ServiceRegistry } from './service-registry.ts';

/** Makes and serves calls. */
export function remoteCalls(
  client: HubClient,
  services: ServiceRegistry,
  reach: CallDriver['reach'] = undefined,
): CallDriver {
  return {
    reach,
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
      startCall(client, { address, message: encodeInput(message) }, message.body, deadline),
  };
}

async function closeService(client: HubClient, services: ServiceRegistry, service: RemoteService): Promise<void> {
  // The response comes after all calls that the hub had passed on. Without a connection there are none.
  if (services.remove(service) && client.isConnected) await client.tell('calls.unserve', { serviceId: service.id });
  await service.running.whenIdle();
}

function startCall(client: HubClient, header: Header, body: Uint8Array, deadline: number): CallReplies {
  const replies: CallReplies = new CallReplies({
    window: CALL_CREDIT,
    onRead: (count) => client.send(frame(FRAME.credit, request.id, { count })),
    onLeave: () => client.cancel(request.id),
  });
  const request = client.start({
    op: 'calls.call',
    header,
    bodies: [body],
    deadline,
    whenLost: 'unknown',
    onItem: (item) => replies.arrive(decodeMessage(item.header, item.bodies[0])),
  });
  request.response.then(
    () => replies.end(undefined),
    (error: unknown) => replies.end(error),
  );
  return replies;
}
