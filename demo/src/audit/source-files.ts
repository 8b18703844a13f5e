/** Finds the source files under a folder. What is in the way is reported, never fatal. */

import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, extname, join, relative, resolve, sep } from 'node:path';

/** A source file, or something that looked like one and cannot be read. */
export type Found =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'problem'; readonly path: string; readonly problem: string };

const EXTENSIONS = new Set(
  `.ts .tsx .mts .cts .js .jsx .mjs .cjs .py .rb .go .rs .java .kt .scala .swift .c .h .cc .cpp .hpp .cs .php .pl .lua
   .sh .bash .sql .vue .svelte .ex .exs .erl .hs .ml .clj .dart .zig`.split(/\s+/),
);
const SKIPPED = new Set(['.git', '.busbar', '.turbo', 'dist', 'node_modules', 'coverage']);
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Every source file under `root`, in a stable order. Folders of output and dependencies below it are left out. */
export async function* findSourceFiles(root: string): AsyncIterable<Found> {
  const start = resolve(root);
  const skipped = start.split(sep).includes('node_modules') ? new Set(['.git']) : SKIPPED;
  yield* new TreeWalk(start, skipped).visit(start, false);
}

class TreeWalk {
  readonly #root: string;
  readonly #skipped: ReadonlySet<string>;
  /** Real paths of the folders on the way and behind: a link to one of them is a cycle or a repetition. */
  readonly #visited = new Set<string>();

  constructor(root: string, skipped: ReadonlySet<string>) {
    this.#root = root;
    this.#skipped = skipped;
  }

  /** Goes into a folder, once, whatever links lead to it. */
  async *visit(folder: string, isLink: boolean): AsyncIterable<Found> {
    const entries = await list(folder);
    if (typeof entries === 'string') return yield this.#problem(folder, entries);
    const real = await realpath(folder);
    if (this.#visited.has(real)) {
      if (isLink) yield this.#problem(folder, 'a link to a folder that was visited already');
      return;
    }
    this.#visited.add(real);
    for (const entry of entries) yield* this.#look(folder, entry);
  }

  async *#look(folder: string, entry: Dirent<Buffer>): AsyncIterable<Found> {
    const name = decode(entry.name);
    if (name === undefined) {
      yield this.#problem(join(folder, entry.name.toString('latin1')), 'its name is not UTF-8');
      return;
    }
    const path = join(folder, name);
    const isSource = EXTENSIONS.has(extname(name));
    if (entry.isSymbolicLink()) yield* this.#follow(path, isSource);
    else if (entry.isDirectory()) yield* this.#enter(path, false);
    else if (isSource) yield this.#file(path, entry.isFile());
  }

  async *#follow(path: string, isSource: boolean): AsyncIterable<Found> {
    const target = await stat(path).catch((error: NodeJS.ErrnoException) => error);
    if (target instanceof Error) {
      const isCycle = target.code === 'ELOOP';
      if (isCycle || isSource) yield this.#problem(path, `a link that leads ${isCycle ? 'in a circle' : 'nowhere'}`);
    } else if (target.isDirectory()) yield* this.#enter(path, true);
    else if (isSource) yield this.#file(path, target.isFile());
  }

  async *#enter(path: string, isLink: boolean): AsyncIterable<Found> {
    if (!this.#skipped.has(basename(path))) yield* this.visit(path, isLink);
  }

  #file(path: string, isRegular: boolean): Found {
    if (!isRegular) return this.#problem(path, 'not a regular file');
    return { kind: 'file', path: relative(this.#root, path) };
  }

  #problem(path: string, problem: string): Found {
    return { kind: 'problem', path: relative(this.#root, path) || '.', problem };
  }
}

/** What a folder holds, in a stable order; a text says why that cannot be known. */
async function list(folder: string): Promise<Dirent<Buffer>[] | string> {
  try {
    const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' });
    return entries.sort((a, b) => Buffer.compare(a.name, b.name));
  } catch (error) {
    return `unreadable folder (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`;
  }
}

function decode(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
