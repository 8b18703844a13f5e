// One direction of one proxied connection, and the faults that it applies.
import type { Socket } from 'node:net';

/** Direction of bytes. */
export type Direction = 'toTarget' | 'toClient';

/** Both directions. */
export const directions: readonly Direction[] = ['toTarget', 'toClient'];

/** The active faults of all connections of one proxy. */
export class ProxyFaults {
  /** Blocked directions. */
  readonly held: Set<Direction> = new Set();
  /** Remaining bytes before the connection breaks. */
  readonly budget: Record<Direction, number> = { toTarget: Infinity, toClient: Infinity };
  delayMs = 0;
  bytesPerSecond: number = Infinity;
  blocked = false;

  /** Removes all faults. */
  clear(): void {
    this.held.clear();
    this.budget.toTarget = Infinity;
    this.budget.toClient = Infinity;
    this.delayMs = 0;
    this.bytesPerSecond = Infinity;
    this.blocked = false;
  }
}

/** Parameters of a lane. */
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

/** A slow network forwards so often. */
const SLOW_MS = 50;
/** What a slow network holds; then its sender has to wait. */
const SLOW_PARCELS = 4;

/** Forwards bytes in order, delayed, slowly or not at all, as the faults require. */
export class ProxyLane {
  readonly #options: LaneOptions;
  readonly #parcels: Parcel[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** When a slow network has forwarded what it holds. */
  #freeMs = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
    const { from, to } = options;
    from.on('data', (bytes: Buffer) => this.#accept(bytes));
    from.on('end', () => this.#accept(null));
    to.on('drain', () => this.apply());
    from.on('close', () => clearTimeout(this.#timer));
  }

  /** Applies the current faults: forwards due bytes, or stops reading. */
  apply(): void {
    clearTimeout(this.#timer);
    const { from, to, direction, faults } = this.#options;
    // Without reads the peer's kernel buffers fill up, as in a dead network.
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
    const isFull = faults.bytesPerSecond < Infinity && this.#parcels.length >= SLOW_PARCELS;
    if (to.writableNeedDrain || isFull) from.pause();
    else from.resume();
  }

  #accept(bytes: Buffer | null): void {
    const { delayMs, bytesPerSecond } = this.#options.faults;
    if (bytes === null || bytesPerSecond === Infinity) {
      this.#parcels.push({ dueMs: Math.max(performance.now() + delayMs, this.#freeMs), bytes });
    } else this.#acceptSlowly(bytes, bytesPerSecond);
    this.apply();
  }

  #acceptSlowly(bytes: Buffer, bytesPerSecond: number): void {
    const size = Math.max(1, Math.floor((bytesPerSecond * SLOW_MS) / 1000));
    for (let at = 0; at < bytes.length; at += size) {
      const part = bytes.subarray(at, at + size);
      this.#freeMs = Math.max(performance.now(), this.#freeMs) + (part.length / bytesPerSecond) * 1000;
      this.#parcels.push({ dueMs: this.#freeMs, bytes: part });
    }
  }

  /** Returns false at the end of the connection. */
  #deliver(bytes: Buffer | null): boolean {
    const { from, to, direction, faults } = this.#options;
    if (bytes === null) {
      to.end();
      return false;
    }
    if (bytes.length < faults.budget[direction]) {
      faults.budget[direction] -= bytes.length;
      // If the receiver is cut off, the sender keeps sending until it notices.
      if (to.writable) to.write(bytes);
      return true;
    }
    // Ends instead of resetting: the last bytes must arrive, so that the receiver sees a partial frame.
    to.end(bytes.subarray(0, faults.budget[direction]));
    faults.budget[direction] = Infinity;
    from.destroy();
    return false;
  }
}
