/** Versions of Busbar, its peers and the servers. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { findServer } from '@busbar/testbed';
import Database from 'better-sqlite3';
import { postgresVersion } from '../sandbox/postgres.ts';

const PACKAGES = [
  'plainjob',
  'ioredis',
  'bullmq',
  '@nats-io/transport-node',
  'ws',
  'zeromq',
  'pg-boss',
  'moleculer',
  '@nestjs/microservices',
] as const;
const PROGRAMS = ['redis-server', 'nats-server'] as const;

const require = createRequire(import.meta.url);

/** All versions by name. */
export function readVersions(): Record<string, string> {
  using database = open();
  return {
    busbar: version('busbar'),
    'better-sqlite3': version('better-sqlite3'),
    SQLite: String(database.handle.prepare('SELECT sqlite_version()').pluck().get()),
    ...Object.fromEntries(PACKAGES.map((name) => [name, version(name)])),
    ...Object.fromEntries(PROGRAMS.map((name) => [name, findServer(name)?.version ?? 'not found'])),
    postgres: postgresVersion() ?? 'not found',
  };
}

function open(): { handle: Database.Database } & Disposable {
  const handle = new Database(':memory:');
  return { handle, [Symbol.dispose]: () => void handle.close() };
}

/** Reads the package's manifest from disk: not every package exports it. */
function version(name: string): string {
  const roots = require.resolve.paths(name) ?? [];
  for (const root of roots) {
    try {
      const { version } = JSON.parse(readFileSync(`${root}/${name}/package.json`, 'utf8')) as { version: string };
      return version;
    } catch {
      // Try the next node_modules folder above.
    }
  }
  return 'unknown';
}
