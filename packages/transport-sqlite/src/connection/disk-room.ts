/**
 * Room on the disk: writes that add data stop early, so that claims, acks and deletions still have room. On a small disk a
 * file keeps some of it, in case that others fill the rest.
 */

import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { BusbarError } from '@busbar/api/transport';
import type { Store } from './store.ts';
import { boundLog, describeReaders, PAGE_BYTES } from './write-ahead-log.ts';

/** While more than this is free, the disk is looked at every 50 ms only, and no file keeps room. */
const PLENTY_BYTES = 268_435_456;
const LOOK_EVERY_MS = 50;
/** Kept back beside the log: an eighth of the disk, at most 8 MiB. */
const MAX_RESERVE_BYTES = 8_388_608;
/** A log that a reader keeps from being copied into the file may have this size. */
const MAX_LOG_BYTES = 134_217_728;
const UNLIMITED = { free: Number.POSITIVE_INFINITY, reserve: 0 };

export class DiskRoom {
  readonly #store: Store;
  /** How large a file of this process may be (`ulimit -f`). */
  readonly #maxFileBytes: number = readFileLimit();
  #lookAt = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Looks at the disk before a transaction that writes. `grows`: it adds data. Then it returns an error if there is no room. */
  look(grows: boolean): BusbarError | undefined {
    const now = performance.now();
    if (now < this.#lookAt) return undefined;
    const disk = this.#disk();
    const log = this.#logBytes();
    const needed = disk.reserve + log;
    if (log < MAX_LOG_BYTES && disk.free > PLENTY_BYTES + needed) {
      this.#lookAt = now + LOOK_EVERY_MS;
      return undefined;
    }
    boundLog(this.#store.db, this.#store.path, disk.free);
    if (disk.free > 2 * needed) this.#keep(disk.reserve / 2);
    if (!grows || (log < MAX_LOG_BYTES && disk.free >= needed)) return undefined;
    const isCopied = this.#copyLog(log > disk.reserve ? 'TRUNCATE' : 'RESTART');
    if (log >= MAX_LOG_BYTES && !isCopied) return pinned(this.#store.path, log);
    const toCopy = isCopied ? 0 : this.#logBytes();
    return this.#disk().free + this.#spareBytes() < disk.reserve + toCopy ? full() : undefined;
  }

  /** Removes the file that keeps room, since the disk is full. Returns false if there is none. */
  release(): boolean {
    try {
      rmSync(this.#kept);
      return true;
    } catch {
      return false;
    }
  }

  get #kept(): string {
    return `${this.#store.path}-reserve`;
  }

  #keep(bytes: number): void {
    if (lstatSync(this.#kept, { throwIfNoEntry: false }) !== undefined) return;
    try {
      const fd = openSync(this.#kept, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
      writeSync(fd, new Uint8Array(bytes));
      closeSync(fd);
    } catch {
      this.release();
    }
  }

  #disk(): { free: number; reserve: number } {
    try {
      const { bavail, bsize, blocks } = statfsSync(dirname(this.#store.path));
      // A file system in memory without a limit has no blocks.
      const bytes = Math.min(blocks === 0 ? Number.POSITIVE_INFINITY : blocks * bsize, this.#maxFileBytes);
      if (bytes === Number.POSITIVE_INFINITY) return UNLIMITED;
      const growth = this.#maxFileBytes - this.#fileBytes();
      return {
        free: Math.min(blocks === 0 ? growth : bavail * bsize, growth),
        reserve: Math.min(MAX_RESERVE_BYTES, bytes / 8),
      };
    } catch {
      return UNLIMITED;
    }
  }

  #fileBytes(): number {
    return statSync(this.#store.path, { throwIfNoEntry: false })?.size ?? 0;
  }

  #logBytes(): number {
    return statSync(`${this.#store.path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Pages that messages can be stored in without a larger file. */
  #spareBytes(): number {
    return (this.#store.value('PRAGMA freelist_count') as number) * PAGE_BYTES;
  }

  /** Copies the log into the file while there is room for it. Returns false if a reader or the disk prevents it. */
  #copyLog(mode: 'RESTART' | 'TRUNCATE'): boolean {
    try {
      const [result] = this.#store.db.pragma(`wal_checkpoint(${mode})`) as {
        busy: number;
        log: number;
        checkpointed: number;
      }[];
      return result !== undefined && result.log === result.checkpointed;
    } catch {
      return false;
    }
  }
}

/** The limit of this process for the size of a file; infinite where the system does not show it. */
function readFileLimit(): number {
  try {
    const [, soft] = /^Max file size +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function full(): BusbarError {
  return new BusbarError('BACKPRESSURE', 'the disk of the store, or its limit for a file (ulimit -f), is almost full', {
    hint: 'Consume or purge messages, which still works and makes room, or free space on the disk. This call stored nothing.',
  });
}

function pinned(path: string, bytes: number): BusbarError {
  const size = `${Math.round(bytes / 1_048_576)} MiB`;
  return new BusbarError('BACKPRESSURE', `a reader keeps ${size} of log from being copied into the file of the store`, {
    hint: `End the read transaction of ${describeReaders(path)}. Consuming and purging still work.`,
  });
}
