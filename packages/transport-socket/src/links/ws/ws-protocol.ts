/** Constants of the WebSocket link that both ends use. */

import { MAX_FRAME_BYTES } from '@busbar/wire';
import type { ServerOptions } from 'ws';

const LENGTH_BYTES = 4;

/** The subprotocol of a hub. */
export const SUBPROTOCOL = 'busbar';
/** Prefix of a subprotocol that carries a token: browsers cannot send headers. */
export const TOKEN_SUBPROTOCOL = 'busbar.token.';
/** The subprotocol of a client whose token comes in hello. */
export const HELLO_SUBPROTOCOL = 'busbar.hello';
/** The response header in which the hub of an endpoint file proves its identity. */
export const PROOF_HEADER = 'busbar-proof';

/** Limits of one message and its fragments. Compression costs more than it saves here. */
export const MESSAGE_LIMITS: Pick<
  ServerOptions,
  'maxPayload' | 'maxFragments' | 'maxBufferedChunks' | 'perMessageDeflate'
> = {
  maxPayload: MAX_FRAME_BYTES + LENGTH_BYTES,
  maxFragments: 1_024,
  maxBufferedChunks: 16_384,
  perMessageDeflate: false,
};
