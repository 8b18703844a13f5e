/** How long the disk takes for a synced write, which shows how busy it is. */

import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Measures synced writes until it ends. */
export class DiskDelay {
  #maxMs = 0;
  #isOver = false;
  readonly #measuring: Promise<void> = this.#measure();

  /** Resolves with the time of the slowest write in milliseconds. */
  async end(): Promise<number> {
    this.#isOver = true;
    await this.#measuring;
    return this.#maxMs;
  }

  async #measure(): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'busbar-disk-'));
    try {
      await using file = await open(join(folder, 'probe'), 'w');
      while (!this.#isOver) {
        const began = performance.now();
        await file.write(new Uint8Array(4_096), 0, 4_096, 0);
        await file.sync();
        this.#maxMs = Math.max(this.#maxMs, performance.now() - began);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  }
}
