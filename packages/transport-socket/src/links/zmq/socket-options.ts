/** Options for ROUTER and DEALER sockets: sends never block, and queues and messages are bounded. */

import { MAX_FRAME_BYTES } from '@busbar/wire';
import { Context } from 'zeromq';
import { MAX_PACKETS } from './packet-window.ts';

/** One connection takes three sockets: its own, and two for the monitor that reports its end. */
const MAX_SOCKETS = 16_384;

/** Options of both kinds of sockets. */
export const SOCKET_OPTIONS: {
  readonly context: Context;
  readonly sendTimeout: number;
  readonly sendHighWaterMark: number;
  readonly receiveHighWaterMark: number;
  readonly maxMessageSize: number;
  readonly linger: number;
} = {
  context: new Context({ maxSockets: MAX_SOCKETS }),
  // A send succeeds or fails before it returns. zeromq.js allows one send at a time.
  sendTimeout: 0,
  sendHighWaterMark: 4 * MAX_PACKETS,
  receiveHighWaterMark: 2 * MAX_PACKETS,
  maxMessageSize: MAX_FRAME_BYTES + 4,
  linger: 0,
};
