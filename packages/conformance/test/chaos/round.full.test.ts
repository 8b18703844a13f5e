// A short round on SQLite, and plans that a seed repeats.
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/context/random.ts';
import { type FaultScene, planFaults } from './faults.ts';
import { runRound } from './round.ts';

test('a round of random faults on SQLite passes', { timeout: 180_000 }, async () => {
  const verdict = await runRound({ backend: 'sqlite', seed: 7, seconds: 10 });
  expect(verdict.problems).toEqual([]);
  expect(verdict.faults.length).toBeGreaterThan(2);
  expect(verdict.got).toBeGreaterThan(100);
});

test('a seed gives the same faults again', () => {
  const scene = { hosts: [{}, {}, {}], store: { opener: {} }, crashes: [], losses: [] } as unknown as FaultScene;
  const plan = (seed: number) => planFaults(scene, seededRandom(seed), 30_000);
  expect(plan(1)).toEqual(plan(1));
  expect(plan(1)).not.toEqual(plan(2));
  expect(plan(1).every(({ kind }) => kind.endsWith('Client') || kind === 'shiftClock')).toBe(true);
});
