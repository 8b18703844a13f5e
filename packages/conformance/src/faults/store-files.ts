/** The files of a store: looked at, damaged, put back. */

import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One file. */
export interface StoreFile {
  readonly path: string;
  readonly bytes: number;
  /** The permission bits. */
  readonly mode: number;
}

/** Every file and folder below `folder`, it included. */
export async function listFiles(folder: string): Promise<StoreFile[]> {
  const names = await readdir(folder, { recursive: true });
  const found = await Promise.all([folder, ...names.map((name) => join(folder, name))].map(look));
  return found.filter((file) => file !== undefined);
}

/** How much the files of a folder hold together. */
export async function bytesIn(folder: string): Promise<number> {
  const files = await listFiles(folder);
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** A copy of the files of a folder in memory. */
export class Snapshot {
  readonly #folder: string;
  readonly #files = new Map<string, Buffer>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async of(folder: string): Promise<Snapshot> {
    const snapshot = new Snapshot(folder);
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) snapshot.#files.set(path, await readFile(path));
    }
    return snapshot;
  }

  /** The largest file: what holds the messages. */
  get largest(): { readonly path: string; readonly content: Buffer } {
    const [first] = [...this.#files].sort(([, one], [, other]) => other.length - one.length);
    if (first === undefined) throw new Error(`there is no file in ${this.#folder}`);
    return { path: first[0], content: Buffer.from(first[1]) };
  }

  /** Puts the files back as they were, and removes what came since. */
  async restore(): Promise<void> {
    for (const entry of await readdir(this.#folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isDirectory() && !this.#files.has(path)) await rm(path, { force: true });
    }
    await Promise.all([...this.#files].map(([path, content]) => writeFile(path, content)));
  }
}

async function look(path: string): Promise<StoreFile | undefined> {
  try {
    const { size, mode } = await stat(path);
    return { path, bytes: size, mode: mode & 0o777 };
  } catch {
    // Gone since it was listed.
    return undefined;
  }
}
