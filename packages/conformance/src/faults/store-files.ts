/** Lists, copies and restores the files of a store. */

import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One file. */
export interface StoreFile {
  readonly path: string;
  readonly bytes: number;
  /** The permission bits. */
  readonly mode: number;
}

/** Lists `folder` and everything below it. */
export async function listFiles(folder: string): Promise<StoreFile[]> {
  const names = await readdir(folder, { recursive: true });
  const found = await Promise.all([folder, ...names.map((name) => join(folder, name))].map(look));
  return found.filter((file) => file !== undefined);
}

/** Total size of the files of a folder. */
export async function bytesIn(folder: string): Promise<number> {
  const files = await listFiles(folder);
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** An in-memory copy of the files of a folder. */
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

  /** The largest file. It contains the messages. */
  get largest(): { readonly path: string; readonly content: Buffer } {
    const [first] = [...this.#files].sort(([, one], [, other]) => other.length - one.length);
    if (first === undefined) throw new Error(`${this.#folder} has no file`);
    return { path: first[0], content: Buffer.from(first[1]) };
  }

  /** Restores the files and removes new ones. */
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
    // The file was removed after it was listed.
    return undefined;
  }
}
