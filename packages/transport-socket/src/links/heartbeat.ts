/** Detects a silent peer. A half-open connection shows no other sign. */

import { FRAME, frame } from '../wire/frame.ts';
import { SILENT_BEATS } from '../wire/protocol.ts';
import type { LinkConnection } from './link.ts';

/** Sends a ping after one silent interval; destroys the connection after {@link SILENT_BEATS}. */
export class Heartbeat {
  readonly #connection: LinkConnection;
  readonly #timer: NodeJS.Timeout;
  readonly #onSilent: () => void;
  #hasReceived = true;
  #silentBeats = 0;
  #pingedAt: number | undefined;

  constructor(intervalMs: number, connection: LinkConnection, onSilent: () => void = () => undefined) {
    this.#connection = connection;
    this.#onSilent = onSilent;
    // After a pause of this process, setImmediate lets it read what arrived meanwhile before it judges the peer.
    this.#timer = setInterval(() => setImmediate(() => this.#beat()), intervalMs);
    this.#timer.unref();
  }

  /** When the last ping was sent; undefined before the first. */
  get pingedAt(): number | undefined {
    return this.#pingedAt;
  }

  /** Records that the peer sent something. */
  received(): void {
    this.#hasReceived = true;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#silentBeats = Number.NEGATIVE_INFINITY;
  }

  #beat(): void {
    this.#silentBeats = this.#hasReceived ? 0 : this.#silentBeats + 1;
    this.#hasReceived = false;
    if (this.#silentBeats >= SILENT_BEATS) {
      this.stop();
      this.#onSilent();
      this.#connection.destroy();
    } else if (this.#silentBeats > 0) {
      this.#pingedAt = performance.now();
      this.#connection.send(frame(FRAME.ping));
    }
  }
}
