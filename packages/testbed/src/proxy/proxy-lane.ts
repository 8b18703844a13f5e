// One direction of one proxied connection.
import type { Socket } from 'node:net';
import type { Direction, ProxyFaults } from './proxy-faults.ts';

/** What goes where, under which faults. */
export interface LaneOptions {
  readonly from: Socket;
  readonly to: Socket;
  readonly direction: Direction;
  readonly faults: ProxyFaults;
}

interface Parcel {
  readonly dueMs: number;
  /** Null is the end of the stream. */
  readonly bytes: Buffer | null;
}

/** Moves bytes in order, later or not at all, as the faults say. */
export class ProxyLane {
  readonly #options: LaneOptions;
  readonly #parcels: Parcel[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
    const { from, to } = options;
    from.on('data', (bytes: Buffer) => this.#accept(bytes));
    from.on('end', () => this.#accept(null));
    to.on('drain', () => this.apply());
    from.on('close', () => clearTimeout(this.#timer));
  }

  /** Looks at the faults again: moves what is due, stops reading where nothing may move. */
  apply(): void {
    clearTimeout(this.#timer);
    const { from, to, direction, faults } = this.#options;
    // Not reading fills the buffers of the peer's kernel, as a dead network does.
    if (faults.held.has(direction)) return void from.pause();
    for (;;) {
      const parcel = this.#parcels[0];
      if (!parcel) break;
      const waitMs = parcel.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.apply(), waitMs);
        break;
      }
      this.#parcels.shift();
      if (!this.#deliver(parcel.bytes)) return;
    }
    if (to.writableNeedDrain) from.pause();
    else from.resume();
  }

  #accept(bytes: Buffer | null): void {
    this.#parcels.push({ dueMs: performance.now() + this.#options.faults.delayMs, bytes });
    this.apply();
  }

  /** False when the connection is at its end. */
  #deliver(bytes: Buffer | null): boolean {
    const { from, to, direction, faults } = this.#options;
    if (bytes === null) {
      to.end();
      return false;
    }
    if (bytes.length < faults.budget[direction]) {
      faults.budget[direction] -= bytes.length;
      // Where the receiver was cut off, the sender talks to nobody until it notices.
      if (to.writable) to.write(bytes);
      return true;
    }
    // The last bytes must arrive, so the receiver sees an end in the middle of a frame; a reset would discard them.
    to.end(bytes.subarray(0, faults.budget[direction]));
    faults.budget[direction] = Infinity;
    from.destroy();
    return false;
  }
}
