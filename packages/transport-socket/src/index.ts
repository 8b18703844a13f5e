/** The socket transport: a hub gives clients access to any other transport, over several kinds of links. */

export { hubStatus, stopHub } from './client/hub-control.ts';
export type { AccessToken } from './hub/access-tokens.ts';
export { type Hub, type HubOptions, serveHub } from './hub/hub.ts';
export type { OpenStore } from './hub/store-pool.ts';
export type { ConnectConfig, LocalHub } from './links/connect-config.ts';
export type { HubLink } from './links/link.ts';
export { hubLink, parseHubUrl } from './links/link-schemes.ts';
export { type UnixHubLink, unixHub } from './links/unix/unix-hub.ts';
export { parseUnixUrl } from './links/unix/unix-url.ts';
export type { HubProgram } from './local/start-hub.ts';
export { openSocket, openUnix } from './open-socket.ts';
export type { HubSpawnOptions, LinkOptions, UnixOptions } from './options.ts';
export type { HubStatus } from './wire/protocol.ts';
