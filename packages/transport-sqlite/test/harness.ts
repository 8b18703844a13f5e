// The harness of the conformance suite for SQLite.
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import type { Harness, HarnessStore } from '@busbar/conformance';
import { type TempDir, tempDir } from '@busbar/testbed';
import Database from 'better-sqlite3';
import { openSqlite } from '../src/index.ts';

/** Each store is a file in a temporary folder of its own. */
export function sqliteHarness(durability: 'process' | 'power' = 'process'): Harness {
  return {
    name: durability === 'process' ? 'sqlite' : `sqlite (${durability})`,
    serverless: true,
    async store() {
      const folder = tempDir('busbar-sqlite');
      // Small enough for a case to exceed it. The other options have their defaults.
      const options = { file: folder.join('bus.db'), durability, retention: { maxEvents: 20_000 } };
      return {
        open: () => openSqlite(options),
        openWith: (more) => openSqlite({ ...options, ...more }),
        shiftFormat: async (by) => shiftFormat(options.file, by),
        opener: { module: new URL('../src/index.ts', import.meta.url).href, name: 'openSqlite', argument: options },
        folder: folder.path,
        loss: lossOf(folder),
        remove: async () => await folder[Symbol.asyncDispose](),
      };
    },
  };
}

/** Removes the folder as `git clean` does, or puts a backup in the place of the file. Live processes are not asked. */
function lossOf(folder: TempDir): NonNullable<HarnessStore['loss']> {
  const [file, saved] = [folder.join('bus.db'), `${folder.path}.saved`];
  return {
    save: async () => {
      rmSync(saved, { force: true });
      const db = new Database(file);
      db.prepare('VACUUM INTO ?').run(saved);
      db.close();
    },
    lose: async (to) => {
      // A live client may create a file meanwhile.
      rmSync(folder.path, { recursive: true, maxRetries: 10 });
      if (to === 'saved') {
        mkdirSync(folder.path);
        renameSync(saved, file);
      }
      await (await openSqlite({ file })).close();
    },
  };
}

function shiftFormat(file: string, by: number): void {
  const db = new Database(file);
  db.pragma(`user_version = ${(db.pragma('user_version', { simple: true }) as number) + by}`);
  db.close();
}

/** The harness for the matrix. */
export const harness: Harness = sqliteHarness();
