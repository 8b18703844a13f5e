// What the conformance suite needs to know of the SQLite transport.
import type { Harness } from '@busbar/conformance';
import { tempDir } from '@busbar/testbed';
import { openSqlite } from '../src/index.ts';

/** Stores in files of their own, in throw-away folders. */
export function sqliteHarness(durability: 'process' | 'power' = 'process'): Harness {
  return {
    name: durability === 'process' ? 'sqlite' : `sqlite (${durability})`,
    serverless: true,
    async store() {
      const folder = tempDir('busbar-sqlite');
      // A history that a case can overflow; the rest is as it is by default.
      const options = { file: folder.join('bus.db'), durability, retention: { maxEvents: 20_000 } };
      return {
        open: () => openSqlite(options),
        openWith: (more) => openSqlite({ ...options, ...more }),
        opener: { module: new URL('../src/index.ts', import.meta.url).href, name: 'openSqlite', argument: options },
        folder: folder.path,
        remove: async () => await folder[Symbol.asyncDispose](),
      };
    },
  };
}

/** What the matrix shows. */
export const harness: Harness = sqliteHarness();
