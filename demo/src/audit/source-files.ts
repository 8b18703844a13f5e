/** Finds the source files under a folder. */

import { readdir } from 'node:fs/promises';
import { extname, join, relative, resolve } from 'node:path';

const EXTENSIONS = new Set(
  `.ts .tsx .mts .cts .js .jsx .mjs .cjs .py .rb .go .rs .java .kt .scala .swift .c .h .cc .cpp .hpp .cs .php .pl .lua
   .sh .bash .sql .vue .svelte .ex .exs .erl .hs .ml .clj .dart .zig`.split(/\s+/),
);
const SKIPPED = new Set(['.git', '.busbar', '.turbo', 'dist', 'node_modules', 'coverage']);

/** Paths of all source files below `root`, in a stable order. Links and unreadable folders are skipped. */
export async function findSourceFiles(root: string): Promise<string[]> {
  const start = resolve(root);
  return (await filesIn(start)).map((path) => relative(start, path));
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const sorted = entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const found = sorted.map((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : filesIn(path);
    return entry.isFile() && EXTENSIONS.has(extname(entry.name)) ? [path] : [];
  });
  return (await Promise.all(found)).flat();
}
