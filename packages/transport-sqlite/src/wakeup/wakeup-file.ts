/** The wake-up file of a process: other processes write to it, and the process watches it. A process that only sends has none. */

import {
  closeSync,
  constants,
  type FSWatcher,
  fstatSync,
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
import { checkWakeupFolder, identify, wakeupFolderOf } from '../connection/store-file.ts';
import { Notifier } from './notifier.ts';

/** Files of other processes that are kept open. */
const MAX_OPEN = 64;
/** A file that was not touched for this long belongs to a process that is gone. */
const ABANDONED_AFTER_MS = 300_000;
const ONE_BYTE = Buffer.from('!');
/** No link is followed, and no pipe blocks. */
const SAFE = constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CREATE = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | SAFE;
const WRITE = constants.O_RDWR | SAFE;
/**
 * One file per process, in a folder beside the store, so that only the process that waits wakes up. It is never one of the
 * store's own files: opening and closing these drops SQLite's locks on macOS.
 */
export class WakeupFile {
  /** The name of this process for others. */
  readonly name: string = newId();
  /** Notifies after another process wrote to the file. */
  readonly wakeups: Notifier = new Notifier();
  /** Notifies after the file was removed by others: other processes no longer find it. */
  readonly lost: Notifier = new Notifier();
  readonly #folder: string;
  readonly #open = new Map<string, number>();
  #watcher: FSWatcher | undefined;
  #isCoalescing = false;
  #isWokenAgain = false;
  #isListening = false;
  #identity: string | undefined;

  constructor(storePath: string) {
    this.#folder = wakeupFolderOf(storePath);
  }

  /** Whether the file exists, so that other processes can write to it. */
  get isListening(): boolean {
    return this.#isListening;
  }

  /** Whether the file system reports writes. If not, the process polls: with 128 watchers of one user, the next gets EMFILE. */
  get isWatched(): boolean {
    return this.#watcher !== undefined;
  }

  /** Creates the file and watches it. The watcher does not keep the process running. */
  listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    try {
      this.#makeFolder();
      closeSync(openSync(this.#path(this.name), CREATE, 0o600));
      this.#identity = identify(this.#path(this.name));
      this.#watcher = watch(this.#path(this.name), { persistent: false }, () => this.#onWrite());
      this.#watcher.on('error', () => this.#stopWatching());
    } catch {
      this.#stopWatching();
    }
  }

  /** Wakes another process. Returns false if its file no longer exists. */
  wake(process: string): boolean {
    try {
      writeSync(this.#fileOf(process), ONE_BYTE, 0, 1, 0);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'ENOENT';
    }
  }

  /** Shows that the process is alive. */
  touch(): void {
    this.check();
    if (!this.#isListening) return;
    const now = new Date();
    try {
      utimesSync(this.#path(this.name), now, now);
    } catch {
      // It was removed just now. The next check notices.
    }
  }

  /** Looks whether the file is still there, and notifies `lost` otherwise. */
  check(): void {
    if (!this.#isListening || identify(this.#path(this.name)) === this.#identity) return;
    this.#stopListening();
    this.lost.notify();
  }

  /** Removes the files of processes that are gone. Returns their names. */
  removeAbandoned(): string[] {
    const before = Date.now() - ABANDONED_AFTER_MS;
    const isAbandoned = (name: string): boolean => {
      const stats = statSync(this.#path(name), { throwIfNoEntry: false });
      return stats !== undefined && name !== this.name && stats.mtimeMs < before;
    };
    try {
      const names = readdirSync(this.#folder).filter(isAbandoned);
      for (const name of names) this.#removeFileOf(name);
      return names;
    } catch {
      return [];
    }
  }

  close(): void {
    if (this.#isListening) this.#stopListening();
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  /** One write can cause several events. The first notifies at once, all others of the turn once at its end. */
  #onWrite(): void {
    if (this.#isCoalescing) {
      this.#isWokenAgain = true;
      return;
    }
    this.#isCoalescing = true;
    setImmediate(() => {
      this.#isCoalescing = false;
      const isWokenAgain = this.#isWokenAgain;
      this.#isWokenAgain = false;
      if (isWokenAgain) this.wakeups.notify();
    });
    this.wakeups.notify();
  }

  #stopListening(): void {
    this.#isListening = false;
    this.#stopWatching();
    this.#remove(this.name);
  }

  #stopWatching(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** A folder of another user, or one that others can write to, is not used: this process polls. */
  #makeFolder(): void {
    try {
      mkdirSync(this.#folder, { mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    checkWakeupFolder(this.#folder);
  }

  #fileOf(process: string): number {
    const fd = this.#open.get(process);
    // A removed file: its process has made another one, or has ended.
    if (fd !== undefined && fstatSync(fd).nlink > 0) return fd;
    if (fd !== undefined) this.#closeFileOf(process, fd);
    return this.#openFileOf(process);
  }

  #openFileOf(process: string): number {
    const fd = openSync(this.#path(process), WRITE);
    if (this.#open.size >= MAX_OPEN) {
      const [oldest] = this.#open;
      if (oldest !== undefined) this.#closeFileOf(...oldest);
    }
    this.#open.set(process, fd);
    return fd;
  }

  #removeFileOf(process: string): void {
    const fd = this.#open.get(process);
    if (fd !== undefined) this.#closeFileOf(process, fd);
    this.#remove(process);
  }

  #closeFileOf(process: string, fd: number): void {
    closeSync(fd);
    this.#open.delete(process);
  }

  #remove(name: string): void {
    try {
      rmSync(this.#path(name), { force: true });
    } catch {
      // The folder could not be created, so the file does not exist.
    }
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}
