/** Options of both kinds of ZeroMQ sockets: nothing waits for ever, and nothing is large. */

import { Context } from 'zeromq';
import { MAX_FRAME_BYTES } from '../../wire/frame.ts';
import { MAX_PACKETS } from './packet-window.ts';

/** A connection takes three: itself, and two to hear of its end. */
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
  // Each send is done, or has failed, when it returns: two can never be under way.
  sendTimeout: 0,
  sendHighWaterMark: 4 * MAX_PACKETS,
  receiveHighWaterMark: 2 * MAX_PACKETS,
  maxMessageSize: MAX_FRAME_BYTES + 4,
  linger: 0,
};
