/** The progress of a task that runs, written down at a bounded rate. */

import type { EncodedBody } from '../messages/body-codec.ts';

/** At most one write in this time. */
const PACE_MS = 50;

/** Writes the newest progress of one task: at once, and then no more often than every 50 ms. */
export class TaskProgress {
  readonly #write: (body: EncodedBody) => Promise<void>;
  #next: EncodedBody | undefined;
  /** The loop, while there is something to write. */
  #loop: Promise<void> | undefined;
  /** The write that is under way. */
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

  /** Writes no more; resolves when a write that is under way is over. */
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
      await pause(PACE_MS);
    }
    this.#loop = undefined;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    // What is left when a process ends is of no use to anybody.
    setTimeout(resolve, ms).unref?.();
  });
}
