/** Detects a silent peer. A half-open connection shows no other sign. */

import { FRAME, frame } from '../frames/frame.ts';
import { SILENT_BEATS } from '../limits.ts';
import type { LinkConnection } from './connection.ts';
import { afterInput } from './event-loop.ts';

/** Options of a {@link Heartbeat}. */
export interface HeartbeatOptions {
  /** Called before a silent connection is destroyed. */
  readonly onSilent?: () => void;
  /** Whether the peer owes something. Otherwise the heartbeat stops until the next {@link Heartbeat.start}. Default: always. */
  readonly isNeeded?: () => boolean;
}

/** Sends a ping after one silent interval; destroys the connection after {@link SILENT_BEATS}. */
export class Heartbeat {
  readonly #intervalMs: number;
  readonly #connection: LinkConnection;
  readonly #options: HeartbeatOptions;
  #timer: ReturnType<typeof setInterval> | undefined;
  #hasReceived = true;
  #silentBeats = 0;
  #pingedAt: number | undefined;

  constructor(intervalMs: number, connection: LinkConnection, options: HeartbeatOptions = {}) {
    this.#intervalMs = intervalMs;
    this.#connection = connection;
    this.#options = options;
    if (options.isNeeded === undefined) this.start();
  }

  /** When the last ping was sent; undefined before the first. */
  get pingedAt(): number | undefined {
    return this.#pingedAt;
  }

  start(): void {
    if (this.#timer !== undefined) return;
    this.#hasReceived = true;
    // After a pause of this process it reads what arrived meanwhile before it judges the peer.
    this.#timer = setInterval(() => afterInput(() => this.#beat()), this.#intervalMs);
    if (globalThis.process !== undefined) this.#timer.unref?.();
  }

  /** Records that the peer sent something. */
  received(): void {
    this.#hasReceived = true;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #beat(): void {
    if (this.#timer === undefined) return;
    this.#silentBeats = this.#hasReceived ? 0 : this.#silentBeats + 1;
    this.#hasReceived = false;
    if (this.#options.isNeeded?.() === false) this.stop();
    else if (this.#silentBeats >= SILENT_BEATS) {
      this.stop();
      this.#options.onSilent?.();
      this.#connection.destroy();
    } else if (this.#silentBeats > 0) {
      this.#pingedAt = performance.now();
      this.#connection.send(frame(FRAME.ping));
    }
  }
}
