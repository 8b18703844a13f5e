// What the conformance suite needs to know of the SQLite transport.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Transport } from '@busbar/api/transport';
import type { Harness } from '@busbar/conformance';
import { openSqlite } from '../src/index.ts';

export const harness: Harness = {
  name: 'sqlite',
  missing: { server: 'It has no server.' },
  async store() {
    const folder = await mkdtemp(join(tmpdir(), 'busbar-sqlite-'));
    const file = join(folder, 'bus.db');
    return {
      folder,
      open: () => openSqlite({ file }),
      opener: { module: import.meta.url, name: 'openFile', argument: file },
      remove: () => rm(folder, { recursive: true, force: true }),
    };
  },
};

/** What other processes call. */
export function openFile(file: string): Promise<Transport> {
  return openSqlite({ file });
}
