/** Entry `@busbar/transport-socket/client`: the client of a hub over any link. It runs without Node. */

export { HubClient, type HubClientOptions } from './client/hub-client.ts';
export { remoteCalls } from './client/remote-calls.ts';
export { remoteKv } from './client/remote-kv.ts';
export { remoteQueueAdmin } from './client/remote-queue-admin.ts';
export { remoteQueues } from './client/remote-queues.ts';
export { remoteTopics } from './client/remote-topics.ts';
export { ServiceRegistry } from './client/service-registry.ts';
export type { ClientLink } from './links/link.ts';
export { MAX_FRAME_BYTES_FROM_HUB } from './wire/protocol.ts';
