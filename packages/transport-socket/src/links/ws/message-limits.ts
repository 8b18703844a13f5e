/** What both ends of a WebSocket ask of the messages that come. */

import type { ServerOptions } from 'ws';
import { MAX_FRAME_BYTES } from '../../wire/frame.ts';

const LENGTH_BYTES = 4;

/** Bounds of one message, and of the pieces that a peer may make of it; compression costs more than it saves here. */
export const MESSAGE_LIMITS: Pick<
  ServerOptions,
  'maxPayload' | 'maxFragments' | 'maxBufferedChunks' | 'perMessageDeflate'
> = {
  maxPayload: MAX_FRAME_BYTES + LENGTH_BYTES,
  maxFragments: 1_024,
  maxBufferedChunks: 16_384,
  perMessageDeflate: false,
};
