// Random histories have the same outcome on a store as on memory.
import { openMemory } from '@busbar/transport-memory';
import fc from 'fast-check';
import { expect } from 'vitest';
import { until } from '../../src/context/until.ts';
import { counts, everything, type Omitted, type Operation, operationWithout } from './operations.ts';
import { type OpenClient, outcome, System } from './system.ts';

const HOUR_MS = 3_600_000;

export interface Comparison {
  readonly runs: number;
  readonly omitted?: readonly Omitted[];
  /** Called for each history: a new store. */
  openStore(name: string): OpenClient;
}

export async function compareWithMemory({ runs, omitted = [], openStore }: Comparison): Promise<void> {
  const compare = async (operations: readonly Operation[]): Promise<void> => {
    const name = crypto.randomUUID();
    const memory = await System.open(() => openMemory({ name, maxLength: 1_000_000 }));
    const real = await System.open(openStore(name));
    try {
      await play(operations, memory, real);
    } finally {
      await Promise.all([memory.transport.close(), real.transport.close()]);
    }
  };
  const histories = fc.array(operationWithout(...omitted), { minLength: 5, maxLength: 60 });
  await fc.assert(fc.asyncProperty(histories, compare), { numRuns: runs });
}

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
