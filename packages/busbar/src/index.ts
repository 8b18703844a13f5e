/** Entry `busbar`: `connect`, and the API of the bus. */

export * from '@busbar/api';
export { type ConnectOptions, type ConnectTransportOptions, connect, connectTransport } from './connect.ts';
export type { HubCommand } from './hub-command.ts';
export { type ShutdownOptions, shutdownOn } from './shutdown-on.ts';
