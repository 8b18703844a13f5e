/** Compacts the file: returns free pages to the disk, and copies the WAL into the file. */

import type { Batcher } from '../connection/batcher.ts';
import type { Store } from '../connection/store.ts';
import { copyLogIntoFile } from '../connection/write-ahead-log.ts';

/** Pages returned in one transaction: 1 MiB. */
const STEP_PAGES = 256;
/** Transactions of one run. 16 MiB every 5 s are 11 GiB an hour, and a queue that fills and empties keeps its pages. */
const MAX_STEPS = 16;
/** Free pages that are kept for later writes: 256 KiB, or a quarter of the file. */
const SPARE_PAGES = 64;
const WRITES_PAUSED_MS = 1000;

export class Compactor {
  readonly #store: Store;
  readonly #batcher: Batcher;
  #copiedCommits = -1;

  constructor(store: Store, batcher: Batcher) {
    this.#store = store;
    this.#batcher = batcher;
  }

  /** After a burst the file shrinks step by step. */
  async shrink(): Promise<void> {
    for (let count = 0; count < MAX_STEPS && canShrink(this.#store); count += 1) {
      await this.#batcher.write(({ store }) => {
        store.db.pragma(`incremental_vacuum(${STEP_PAGES})`);
      });
    }
  }

  /** Copies the WAL into the file once writes have paused, so that the next open reads a short one. */
  checkpoint(): void {
    const { commitCount, lastCommitAt } = this.#batcher;
    const hasPaused = commitCount !== this.#copiedCommits && performance.now() - lastCommitAt > WRITES_PAUSED_MS;
    if (!hasPaused) return;
    this.#copiedCommits = commitCount;
    copyLogIntoFile(this.#store.db, this.#store.path);
  }
}

/** Whether the file has more free pages than it keeps. */
export function canShrink(store: Store): boolean {
  const free = store.value('PRAGMA freelist_count') as number;
  return free > Math.max(SPARE_PAGES, (store.value('PRAGMA page_count') as number) / 4);
}
