/** Limits the number and duration of connections that are not WebSockets yet. */

import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** How long a handshake may take. */
const HANDSHAKE_TIMEOUT_MS = 5_000;
/** Above this number the oldest handshake is dropped; a healthy client has finished by then. */
const MAX_HANDSHAKES = 1_000;

/** The handshakes of `server`, oldest first. */
export class PendingHandshakes {
  readonly #pending = new Map<string, { readonly socket: Socket; readonly timer: NodeJS.Timeout }>();

  constructor(server: Server) {
    // With TLS this is the raw socket. It has the same peer address as the TLS socket.
    server.on('connection', (socket: Socket) => this.#add(socket));
  }

  /** Removes a connection that became a WebSocket. */
  complete({ remoteAddress, remotePort }: Socket): void {
    this.#remove(`${remoteAddress} ${remotePort}`);
  }

  destroyAll(): void {
    for (const { socket } of this.#pending.values()) socket.destroy();
  }

  #add(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    const key = `${remoteAddress} ${remotePort}`;
    const [oldest] = this.#pending.values();
    if (this.#pending.size >= MAX_HANDSHAKES) oldest?.socket.destroy();
    const timer = setTimeout(() => socket.destroy(), HANDSHAKE_TIMEOUT_MS);
    timer.unref();
    this.#pending.set(key, { socket, timer });
    socket.once('close', () => {
      if (this.#pending.get(key)?.socket === socket) this.#remove(key);
    });
  }

  #remove(key: string): void {
    clearTimeout(this.#pending.get(key)?.timer);
    this.#pending.delete(key);
  }
}
