// Random histories have the same outcome on SQLite and memory.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqlite } from '@busbar/transport-sqlite';
import { test } from 'vitest';
import { compareWithMemory } from './compare.ts';

const RUNS = process.env['BUSBAR_FULL'] === '1' ? 400 : 60;

test('random histories give the same on SQLite and on memory', { timeout: 300_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-model-'));
  try {
    await compareWithMemory({
      runs: RUNS,
      openStore: (name) => () => openSqlite({ file: join(folder, `${name}.db`) }),
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
