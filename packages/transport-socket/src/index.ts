/** The socket transport: one hub lends any other transport to clients over links of several kinds. */

export { hubStatus, stopHub } from './ask-hub.ts';
export type { ClientPlan, OwnHub } from './client-plan.ts';
export { readClientUrl } from './client-url.ts';
export { type Hub, type HubOptions, serveHub } from './hub/hub.ts';
export type { HubStatus } from './hub/reply.ts';
export type { OpenStore } from './hub/stores.ts';
export type { AccessToken } from './hub/tokens.ts';
export type { HubLink } from './link.ts';
export { hubLink } from './listen-url.ts';
export { openSocket, openUnix } from './open-socket.ts';
export type { LinkOptions, UnixOptions } from './options.ts';
export type { HubProgram } from './start-hub.ts';
export { type UnixHubLink, unixHub } from './unix/unix-hub.ts';
export { type HubWishes, parseUnixUrl } from './url.ts';
