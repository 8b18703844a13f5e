// Each mutant in this process fails its named case, and the correct transport passes it.
import { SUITE } from '@busbar/conformance';
import { describe, expect, test } from 'vitest';
import { clientMutants, runHarnessMutant, transportMutants } from './harness-mutants.ts';

describe.concurrent('mutants', () => {
  for (const mutant of transportMutants) {
    test(`a mutant that ${mutant.name} is killed by ${mutant.killedBy}`, { timeout: 60_000 }, async () => {
      expect(await runHarnessMutant(mutant)).toMatchObject({ killed: true });
    });
  }
});

test('the mutants cover many groups', () => {
  const mutants = [...transportMutants, ...clientMutants];
  const groups = mutants.map(({ killedBy }) => SUITE.find(({ id }) => id === killedBy)?.group);
  expect(mutants.length).toBeGreaterThanOrEqual(40);
  expect(new Set(groups).size).toBeGreaterThanOrEqual(15);
});
