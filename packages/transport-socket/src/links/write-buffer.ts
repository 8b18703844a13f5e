/** Frames of one turn of the event loop, until they leave together. */

import type { Frame } from '../wire/frame.ts';

/** About what a frame has beside its bodies. */
const HEAD_BYTES = 128;

/** Gathers frames and has them flushed once. */
export class Outbox {
  readonly #flush: () => void;
  #frames: Frame[] = [];
  #bytes = 0;

  /** `flush` shall {@link Outbox.take} them. */
  constructor(flush: () => void) {
    this.#flush = flush;
  }

  /** About how much waits. */
  get bytes(): number {
    return this.#bytes;
  }

  add(frame: Frame): void {
    // Microtasks have run by then, so that all answers of one commit leave together.
    if (this.#frames.length === 0) queueMicrotask(() => process.nextTick(this.#flush));
    this.#frames.push(frame);
    this.#bytes += HEAD_BYTES;
    for (const { byteLength } of frame.bodies) this.#bytes += byteLength;
  }

  /** What waits, which is the caller's then. */
  take(): readonly Frame[] {
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    return frames;
  }
}
