/** Finds the source files under a folder. What is in the way is reported, never fatal. */

import type { Dirent, Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';

/** A source file, or something that looked like one and cannot be read. */
export type Found =
  | { readonly kind: 'file'; readonly path: string; readonly bytes: number }
  | { readonly kind: 'problem'; readonly path: string; readonly problem: string };

const EXTENSIONS = new Set(
  `.ts .tsx .mts .cts .js .jsx .mjs .cjs .py .rb .go .rs .java .kt .scala .swift .c .h .cc .cpp .hpp .cs .php .pl .lua
   .sh .bash .sql .vue .svelte .ex .exs .erl .hs .ml .clj .dart .zig`.split(/\s+/),
);
const SKIPPED = new Set(['.git', '.busbar', '.turbo', 'dist', 'node_modules', 'coverage']);
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Every source file under `root`, in a stable order. Folders of output and dependencies below it are left out. */
export async function* findSourceFiles(root: string): AsyncIterable<Found> {
  const skipped = root.split(sep).includes('node_modules') ? new Set(['.git']) : SKIPPED;
  yield* walk({ root, skipped, visited: new Set([await realpath(root)]) }, root);
}

interface Walk {
  readonly root: string;
  readonly skipped: ReadonlySet<string>;
  /** Real paths of the folders on the way and behind: a link to one of them is a cycle or a repetition. */
  readonly visited: Set<string>;
}

async function* walk(walk: Walk, folder: string): AsyncIterable<Found> {
  const entries = await list(folder);
  if (!Array.isArray(entries)) {
    yield problem(walk, folder, entries.problem);
    return;
  }
  for (const entry of entries) yield* visit(walk, folder, entry);
}

async function* visit(state: Walk, folder: string, entry: Dirent<Buffer>): AsyncIterable<Found> {
  const name = toName(entry.name);
  if (name === undefined) {
    yield problem(state, join(folder, entry.name.toString('latin1')), 'its name is not UTF-8');
    return;
  }
  const path = join(folder, name);
  if (entry.isDirectory() || entry.isSymbolicLink()) yield* follow(state, path, name, entry.isSymbolicLink());
  else if (EXTENSIONS.has(extname(name))) yield* look(state, path, entry.isFile());
}

/** Goes into a folder once, whatever links lead to it. */
async function* follow(state: Walk, path: string, name: string, isLink: boolean): AsyncIterable<Found> {
  if (state.skipped.has(name)) return;
  const target = await targetOf(path);
  if (target === undefined) {
    if (EXTENSIONS.has(extname(name))) yield problem(state, path, 'a link that leads nowhere');
    return;
  }
  const { stats, real } = target;
  if (!stats.isDirectory()) {
    if (EXTENSIONS.has(extname(name))) yield* look(state, path, stats.isFile());
    return;
  }
  if (state.visited.has(real)) {
    if (isLink) yield problem(state, path, 'a link to a folder that was visited already');
    return;
  }
  state.visited.add(real);
  yield* walk(state, path);
}

async function* look(state: Walk, path: string, isFile: boolean): AsyncIterable<Found> {
  if (!isFile) yield problem(state, path, 'not a regular file');
  else yield { kind: 'file', path: relative(state.root, path), bytes: (await targetOf(path))?.stats.size ?? 0 };
}

async function list(folder: string): Promise<Dirent<Buffer>[] | { problem: string }> {
  try {
    const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' });
    return entries.sort((a, b) => Buffer.compare(a.name, b.name));
  } catch (error) {
    return { problem: `unreadable folder (${(error as NodeJS.ErrnoException).code ?? 'unknown'})` };
  }
}

async function targetOf(path: string): Promise<{ stats: Stats; real: string } | undefined> {
  try {
    return { stats: await stat(path), real: await realpath(path) };
  } catch {
    return undefined;
  }
}

function toName(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function problem(state: Walk, path: string, text: string): Found {
  return { kind: 'problem', path: relative(state.root, path) || '.', problem: text };
}
