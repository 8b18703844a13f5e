/** Notices a peer that went silent: a half-open connection shows no other sign. */

import { FRAME, frame } from '../wire/frame.ts';
import { SILENT_BEATS } from '../wire/protocol.ts';
import type { Connection } from './link.ts';

/** Pings after one beat of silence; destroys the connection after {@link SILENT_BEATS}. */
export class Heartbeat {
  readonly #connection: Connection;
  readonly #timer: NodeJS.Timeout;
  readonly #onSilent: () => void;
  #heardSinceBeat = true;
  #silent = 0;

  constructor(beatMs: number, connection: Connection, onSilent: () => void = () => undefined) {
    this.#connection = connection;
    this.#onSilent = onSilent;
    // What came while this process stood still is read first: only then is the peer judged.
    this.#timer = setInterval(() => setImmediate(() => this.#beat()), beatMs);
    this.#timer.unref();
  }

  /** Something came. */
  heard(): void {
    this.#heardSinceBeat = true;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#silent = Number.NEGATIVE_INFINITY;
  }

  #beat(): void {
    this.#silent = this.#heardSinceBeat ? 0 : this.#silent + 1;
    this.#heardSinceBeat = false;
    if (this.#silent >= SILENT_BEATS) {
      this.stop();
      this.#onSilent();
      this.#connection.destroy();
    } else if (this.#silent > 0) this.#connection.send(frame(FRAME.ping));
  }
}
