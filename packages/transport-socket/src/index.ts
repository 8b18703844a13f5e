/** The socket transport: one hub lends any other transport to clients over links of several kinds. */

export { hubStatus, stopHub } from './client/hub-control.ts';
export type { AccessToken } from './hub/access-tokens.ts';
export { type Hub, type HubOptions, serveHub } from './hub/hub.ts';
export type { HubStatus } from './hub/operations/operation.ts';
export type { OpenStore } from './hub/store-pool.ts';
export { readClientUrl } from './links/client-url.ts';
export type { ClientPlan, OwnHub } from './links/connect-config.ts';
export type { HubLink } from './links/link.ts';
export { hubLink } from './links/listen-url.ts';
export { type UnixHubLink, unixHub } from './links/unix/unix-hub.ts';
export { type HubWishes, parseUnixUrl } from './links/url.ts';
export type { HubProgram } from './local/start-hub.ts';
export { openSocket, openUnix } from './open-socket.ts';
export type { LinkOptions, UnixOptions } from './options.ts';
