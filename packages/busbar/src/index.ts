/** Entry `busbar`: the front door, and all that its users need of the api. */

export * from '@busbar/api';
export { type ConnectOptions, connect, connectTransport } from './connect.ts';
