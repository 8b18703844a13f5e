/** The bell of a process: a file that others write to when there is something for it, and that it watches. */

import {
  closeSync,
  type FSWatcher,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  watch,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { newId } from '@busbar/api/transport';

/** Bells of other processes that are kept open. */
const MAX_OPEN = 64;
/** A bell that its process did not touch for so long belongs to one that is gone. */
const ABANDONED_AFTER_MS = 300_000;
const STROKE = Buffer.from('!');

/**
 * One file per process, in a folder beside the store; never the store's own files, which on macOS would drop SQLite's
 * locks. Only the process whose bell is rung wakes up.
 */
export class Bell {
  /** The name that others ring. */
  readonly name: string = newId();
  readonly #folder: string;
  readonly #onRing: () => void;
  readonly #open = new Map<string, number>();
  #watcher: FSWatcher | undefined;
  #isPending = false;
  #isRungAgain = false;
  #isHung = false;
  /** Whether the file system tells when it is rung. Otherwise its owner looks by itself: agent 129 of a user gets EMFILE. */
  isHeard = false;

  constructor(storePath: string, onRing: () => void) {
    this.#folder = `${storePath}.bell`;
    this.#onRing = onRing;
  }

  /** Hangs the bell up: from now on it can be rung. */
  hang(): void {
    if (this.#isHung) return;
    this.#isHung = true;
    try {
      mkdirSync(this.#folder, { mode: 0o700, recursive: true });
      closeSync(openSync(this.#path(this.name), 'w', 0o600));
      this.#watcher = watch(this.#path(this.name), { persistent: false }, () => this.#rung());
      this.#watcher.on('error', () => this.#deafen());
      this.isHeard = true;
    } catch {
      this.#deafen();
    }
  }

  /** Whether the process is to go on as long as the bell hangs. */
  keepAlive(isWanted: boolean): void {
    if (isWanted) this.#watcher?.ref();
    else this.#watcher?.unref();
  }

  /** Rings the bell of another process. False when it has none any more. */
  ring(name: string): boolean {
    try {
      writeSync(this.#open.get(name) ?? this.#openOther(name), STROKE, 0, 1, 0);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'ENOENT';
    }
  }

  /** Shows that its process is alive. False when somebody took the bell away meanwhile. */
  touch(): boolean {
    if (!this.#isHung) return true;
    try {
      const now = new Date();
      utimesSync(this.#path(this.name), now, now);
      return true;
    } catch {
      this.take();
      return false;
    }
  }

  /** Names of bells whose processes have been gone for long; their files are removed. */
  removeAbandoned(): string[] {
    const before = Date.now() - ABANDONED_AFTER_MS;
    const isAbandoned = (name: string): boolean => {
      const stats = statSync(this.#path(name), { throwIfNoEntry: false });
      return stats !== undefined && name !== this.name && stats.mtimeMs < before;
    };
    try {
      const names = readdirSync(this.#folder).filter(isAbandoned);
      for (const name of names) this.forget(name);
      return names;
    } catch {
      return [];
    }
  }

  /** Takes down another's bell. */
  forget(name: string): void {
    const fd = this.#open.get(name);
    if (fd !== undefined) closeSync(fd);
    this.#open.delete(name);
    this.#remove(name);
  }

  get isHung(): boolean {
    return this.#isHung;
  }

  /** Takes the bell down. */
  take(): void {
    this.#isHung = false;
    this.#deafen();
    this.#remove(this.name);
  }

  close(): void {
    if (this.#isHung) this.take();
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  /** One stroke can come as several events: the first is acted on at once, all others of the turn once at its end. */
  #rung(): void {
    if (this.#isPending) {
      this.#isRungAgain = true;
      return;
    }
    this.#isPending = true;
    setImmediate(() => {
      this.#isPending = false;
      const isRungAgain = this.#isRungAgain;
      this.#isRungAgain = false;
      if (isRungAgain) this.#onRing();
    });
    this.#onRing();
  }

  #deafen(): void {
    this.isHeard = false;
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #openOther(name: string): number {
    const fd = openSync(this.#path(name), 'r+');
    if (this.#open.size >= MAX_OPEN) {
      const [oldest] = this.#open.keys();
      if (oldest !== undefined) {
        closeSync(this.#open.get(oldest) as number);
        this.#open.delete(oldest);
      }
    }
    this.#open.set(name, fd);
    return fd;
  }

  #remove(name: string): void {
    try {
      rmSync(this.#path(name), { force: true });
    } catch {
      // Where the folder could not be made there is nothing to remove.
    }
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}
