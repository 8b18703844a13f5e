// Each mutant fails its named case, and the correct transport passes it.
import { type Harness, runCase, SUITE } from '@busbar/conformance';
import { describe, expect, test } from 'vitest';
import { harness } from '../../../transport-memory/test/harness.ts';
import { mutants as entries } from './entry-mutants.ts';
import { mutants as errors } from './error-mutants.ts';
import type { Mutant } from './mutant.ts';
import { mutants as queues } from './queue-mutants.ts';
import { mutants as settlements } from './settle-mutants.ts';
import { mutants as topics } from './topic-mutants.ts';

const mutants = [...queues, ...settlements, ...topics, ...entries, ...errors];

describe.concurrent('mutants', () => {
  for (const mutant of mutants) {
    test(`a mutant that ${mutant.name} is killed by ${mutant.killedBy}`, { timeout: 60_000 }, async () => {
      const subject = SUITE.find(({ id }) => id === mutant.killedBy);
      if (subject === undefined) throw new Error(`there is no case ${mutant.killedBy}`);
      const { status, reason } = await runCase(broken(mutant), subject);
      expect({ status, reason }).toMatchObject({ status: 'failed' });
      expect(await runCase(harness, subject)).toMatchObject({ status: 'passed' });
    });
  }
});

test.each(['E10', 'E11', 'E12'])('a backend that ignores its options is killed by %s', async (killedBy) => {
  const subject = SUITE.find(({ id }) => id === killedBy)!;
  const ignorant: Harness = {
    ...harness,
    async store() {
      const store = await harness.store();
      return { ...store, openWith: () => store.open() };
    },
  };
  expect(await runCase(ignorant, subject)).toMatchObject({ status: 'failed' });
});

test('the mutants cover many groups', () => {
  const groups = mutants.map(({ killedBy }) => SUITE.find(({ id }) => id === killedBy)?.group);
  expect(mutants.length).toBeGreaterThanOrEqual(40);
  expect(new Set(groups).size).toBeGreaterThanOrEqual(15);
});

function broken(mutant: Mutant): Harness {
  return {
    ...harness,
    async store() {
      const store = await harness.store();
      return { ...store, open: async () => mutant.mutate(await store.open()) };
    },
  };
}
