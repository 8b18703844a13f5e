/** Writes the progress of a running task at a bounded rate. */

import type { EncodedBody } from '../messages/body-codec.ts';

/** The shortest time between two writes. */
const PACE_MS = 50;

/** Writes the latest progress of one task: at once, then at most every 50 ms. */
export class TaskProgress {
  readonly #write: (body: EncodedBody) => Promise<void>;
  #next: EncodedBody | undefined;
  /** The loop, while there is something to write. */
  #loop: Promise<void> | undefined;
  /** The running write. */
  #writing: Promise<void> | undefined;
  #isStopped = false;

  /** `write` never rejects. */
  constructor(write: (body: EncodedBody) => Promise<void>) {
    this.#write = write;
  }

  put(body: EncodedBody): void {
    if (this.#isStopped) return;
    this.#next = body;
    this.#loop ??= this.#run();
  }

  /** Stops. Resolves when a running write has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#writing;
  }

  async #run(): Promise<void> {
    while (this.#next !== undefined && !this.#isStopped) {
      const body = this.#next;
      this.#next = undefined;
      this.#writing = this.#write(body);
      await this.#writing;
      // The timer must not keep a process alive.
      await new Promise((resolve) => setTimeout(resolve, PACE_MS).unref?.());
    }
    this.#loop = undefined;
  }
}
