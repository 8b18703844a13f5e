/** Connections that have not become WebSockets yet: few, and not for long. */

import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** How long a connection may take to say what it wants. */
const HANDSHAKE_MS = 5_000;
/** One more and the oldest has to go: who means well is done by then. */
const MAX_HANDSHAKES = 1_000;

/** Connections of `server` that are shaking hands, the oldest first. */
export class Handshakes {
  readonly #pending = new Map<string, { readonly socket: Socket; readonly timer: NodeJS.Timeout }>();

  constructor(server: Server) {
    // With TLS this is the socket below it: the two have the same peer.
    server.on('connection', (socket: Socket) => this.#began(socket));
  }

  /** This one is a WebSocket now. */
  done({ remoteAddress, remotePort }: Socket): void {
    this.#forget(`${remoteAddress} ${remotePort}`);
  }

  /** Ends them all. */
  end(): void {
    for (const { socket } of this.#pending.values()) socket.destroy();
  }

  #began(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    const key = `${remoteAddress} ${remotePort}`;
    const [oldest] = this.#pending.values();
    if (this.#pending.size >= MAX_HANDSHAKES) oldest?.socket.destroy();
    const timer = setTimeout(() => socket.destroy(), HANDSHAKE_MS);
    timer.unref();
    this.#pending.set(key, { socket, timer });
    socket.once('close', () => {
      if (this.#pending.get(key)?.socket === socket) this.#forget(key);
    });
  }

  #forget(key: string): void {
    clearTimeout(this.#pending.get(key)?.timer);
    this.#pending.delete(key);
  }
}
