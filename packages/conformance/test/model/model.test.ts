// Random histories have the same outcome on SQLite and memory.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMemory } from '@busbar/transport-memory';
import { openSqlite } from '@busbar/transport-sqlite';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { propertySeed } from '../../../../test/property-seed.ts';
import { until } from '../../src/context/until.ts';
import { counts, everything, type Operation, operation } from './operations.ts';
import { outcome, System } from './system.ts';

const RUNS = process.env['BUSBAR_FULL'] === '1' ? 400 : 60;
const HOUR_MS = 3_600_000;

test('random histories give the same on SQLite and on memory', { timeout: 300_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-model-'));
  const compare = async (operations: readonly Operation[]): Promise<void> => {
    const name = crypto.randomUUID();
    const memory = await System.open(() => openMemory({ name, maxLength: 1_000_000 }));
    const sqlite = await System.open(() => openSqlite({ file: join(folder, `${name}.db`) }));
    try {
      await play(operations, memory, sqlite);
    } finally {
      await Promise.all([memory.transport.close(), sqlite.transport.close()]);
    }
  };
  try {
    const histories = fc.array(operation, { minLength: 5, maxLength: 60 });
    await fc.assert(fc.asyncProperty(histories, compare), { numRuns: RUNS, ...propertySeed });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** Leases outlast the test, so that none expires during it. */
async function play(operations: readonly Operation[], model: System, real: System): Promise<void> {
  for (const system of [model, real]) {
    for (const queue of ['one', 'two']) await system.transport.queues.configure(queue, { leaseMs: 12 * HOUR_MS });
  }
  for (const { what, run, inSteps } of operations) {
    const expected = await outcome(() => run(model));
    expect(await outcome(() => run(real)), what).toEqual(expected);
    if (inSteps) await until(what, async () => (await counts(real)) === (await counts(model)));
  }
  expect(await everything(real), 'all there is').toEqual(await everything(model));
}
