/** Collects the frames of one turn of the event loop, so that they leave together. */

import type { Frame } from '../frames/frame.ts';
import { atTurnEnd } from './event-loop.ts';

/** Estimated size of a frame without its bodies. */
const HEADER_BYTES = 128;

/** Collects frames and schedules one flush for them. */
export class WriteBuffer {
  readonly #flush: () => void;
  readonly #maxFrames: number;
  #frames: Frame[] = [];
  #bytes = 0;

  /** `flush` must {@link WriteBuffer.take} the frames. It is called early when `maxFrames` are collected. */
  constructor(flush: () => void, maxFrames: number = Number.POSITIVE_INFINITY) {
    this.#flush = flush;
    this.#maxFrames = maxFrames;
  }

  /** Estimated size of the collected frames. */
  get bytes(): number {
    return this.#bytes;
  }

  add(frame: Frame): void {
    // All responses of one commit leave together.
    if (this.#frames.length === 0) atTurnEnd(this.#flush);
    this.#frames.push(frame);
    this.#bytes += HEADER_BYTES;
    for (const { byteLength } of frame.bodies) this.#bytes += byteLength;
    if (this.#frames.length >= this.#maxFrames) this.#flush();
  }

  /** Removes and returns the collected frames. */
  take(): readonly Frame[] {
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    return frames;
  }
}
