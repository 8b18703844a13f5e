/** At most one hub for each path: a hub listens only while it holds the path's lock. */

import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BusbarError, quote } from '@busbar/api/transport';
import { prepareFolder } from '@busbar/wire';
import type { LinkListener } from '../links/link.ts';
import { FileLock, fileId } from './file-lock.ts';

/** Whether a hub listens at a path. */
export type ListeningProbe = (path: string) => Promise<boolean>;

/** What listens at a path. */
export interface PathServer {
  /** The files by which clients find it. */
  readonly files: readonly string[];
  /** Stops listening, after the files were removed. Open connections stay, if the link can keep them. */
  stop(): void | Promise<void>;
}

/** How long a hub that is ending may keep the lock. */
const LOCK_TIMEOUT_MS = 10_000;

/** Takes the lock of `path`, then calls `listen`. Rejects with CONFLICT if another hub serves at `path`. */
export async function listenAtPath(
  path: string,
  isListening: ListeningProbe,
  listen: () => Promise<PathServer>,
): Promise<LinkListener> {
  prepareFolder(path);
  const lock = await takeLock(path, isListening);
  try {
    return new PathListener(path, listen, { lock, server: await listen() });
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function takeLock(path: string, isListening: ListeningProbe): Promise<FileLock> {
  const deadline = performance.now() + LOCK_TIMEOUT_MS;
  for (;;) {
    const lock = await FileLock.tryTake(`${path}.lock`);
    if (lock !== undefined) return lock;
    if (performance.now() > deadline || (await isListening(path))) {
      throw new BusbarError('CONFLICT', `another hub serves at ${quote(path)}`, {
        hint: 'Connect to it, or stop it first: busbar hub stop.',
      });
    }
    await sleep(5 + Math.random() * 15);
  }
}

/** A server at a path, under the lock of the path. */
class PathListener implements LinkListener {
  readonly #path: string;
  readonly #listen: () => Promise<PathServer>;
  #lock: FileLock;
  #server: PathServer;
  #isStopped = false;
  /** The identities of the server's files. */
  #ids: readonly (string | undefined)[];

  constructor(
    path: string,
    listen: () => Promise<PathServer>,
    { lock, server }: { readonly lock: FileLock; readonly server: PathServer },
  ) {
    this.#path = path;
    this.#listen = listen;
    this.#lock = lock;
    this.#server = server;
    this.#ids = server.files.map(fileId);
  }

  get isInPlace(): boolean {
    return this.#lock.isInPlace && this.#server.files.every((file, index) => fileId(file) === this.#ids[index]);
  }

  async restore(): Promise<boolean> {
    if (!this.#lock.isInPlace) {
      makeFolder(this.#path);
      const lock = await FileLock.tryTake(`${this.#path}.lock`);
      if (lock === undefined) return false;
      this.#lock.release();
      this.#lock = lock;
    }
    await this.#stop();
    this.#server = await this.#listen();
    this.#isStopped = false;
    this.#ids = this.#server.files.map(fileId);
    return true;
  }

  async close(): Promise<void> {
    await this.#stop();
    this.#lock.release();
  }

  /** Without the lock the files at the paths may be those of the next hub. */
  async #stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (this.#lock.isInPlace) for (const file of this.#server.files) rmSync(file, { force: true });
    await this.#server.stop();
  }
}

/** Makes the folder again, but not those above: a project that was removed stays removed. */
function makeFolder(path: string): void {
  try {
    mkdirSync(dirname(path), { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
