/** Notices a server that is silent. A ping goes out only after a time without messages: heartbeats are signs of life too. */

import { SocketProgress, type WatchedSocket } from '@busbar/api/driver';
import type { NatsConnection } from '@nats-io/transport-node';

/** Between two looks. After two without a message a ping goes out, and without its answer the third ends the connection. */
const LOOK_MS = 5_000;
const LOOKS_BEFORE_PING = 2;

/** What it needs of a client. */
interface Client extends Pick<NatsConnection, 'flush' | 'reconnect'> {
  stats(): Pick<ReturnType<NatsConnection['stats']>, 'inMsgs'>;
}

export class Liveness {
  readonly #client: Client;
  readonly #socketOf: () => WatchedSocket | undefined;
  readonly #lookMs: number;
  readonly #progress = new SocketProgress();
  #timer: NodeJS.Timeout | undefined;
  #received = -1;
  #quietLooks = 0;

  constructor(client: Client, socketOf: () => WatchedSocket | undefined, lookMs: number = LOOK_MS) {
    this.#client = client;
    this.#socketOf = socketOf;
    this.#lookMs = lookMs;
  }

  /** The client has connected. */
  begin(): void {
    this.end();
    this.#quietLooks = 0;
    this.#timer = setInterval(() => this.#look(), this.#lookMs).unref();
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const received = this.#client.stats().inMsgs;
    // A part of a large message counts, too.
    const isAlive = this.#progress.look(this.#socketOf() ?? {}) || received !== this.#received;
    this.#quietLooks = isAlive ? 0 : this.#quietLooks + 1;
    this.#received = received;
    if (this.#quietLooks === LOOKS_BEFORE_PING) void this.#ping();
    // An answer that has come already is read before the check: this process may have been stopped.
    else if (this.#quietLooks > LOOKS_BEFORE_PING) setImmediate(() => this.#giveUp());
  }

  async #ping(): Promise<void> {
    try {
      await this.#client.flush();
      this.#quietLooks = 0;
    } catch {
      // The connection was lost meanwhile.
    }
  }

  #giveUp(): void {
    if (this.#quietLooks <= LOOKS_BEFORE_PING) return;
    this.#client.reconnect().catch(() => undefined); // The client is closing.
  }
}
