/** A connection of a client whose token comes in hello. */

import { FRAME, type Frame } from '@busbar/wire';
import type { WebSocket } from 'ws';
import { WsConnection, type WsConnectionOptions } from './ws-connection.ts';

/** Calls `onWelcome` when the hub has accepted its client. */
export class UnauthorizedConnection extends WsConnection {
  readonly #onWelcome: () => void;

  constructor(socket: WebSocket, options: WsConnectionOptions, onWelcome: () => void) {
    super(socket, options);
    this.#onWelcome = onWelcome;
  }

  override send(each: Frame): void {
    if (each.type === FRAME.welcome) this.#onWelcome();
    super.send(each);
  }
}
