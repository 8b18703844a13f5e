/** Whether a socket is alive while one large message passes it. */

/** What it needs of a socket of Node. */
export interface WatchedSocket {
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
  /** As in Node 22 to 24: what the kernel has not taken yet. Without it, only what arrives counts. */
  readonly _handle?: { readonly writeQueueSize?: number } | null;
}

/**
 * A large message over a slow network takes longer than a peer may be silent. It is alive while bytes arrive, and while it takes
 * what waits to be sent: the kernel takes more only after the other end has taken some.
 */
export class SocketProgress {
  #read = 0;
  #taken = 0;
  #waiting = 0;

  /** Returns whether there was progress since the last look. */
  look({ bytesRead = 0, bytesWritten = 0, _handle }: WatchedSocket): boolean {
    const waiting = _handle?.writeQueueSize ?? 0;
    const taken = bytesWritten - waiting;
    const isAlive = bytesRead > this.#read || (this.#waiting > 0 && taken > this.#taken);
    [this.#read, this.#taken, this.#waiting] = [bytesRead, taken, waiting];
    return isAlive;
  }
}
