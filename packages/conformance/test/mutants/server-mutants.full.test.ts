// Each mutant of server loss fails its named case, and a correct client passes it.
import { describe, expect, test } from 'vitest';
import { clientMutants, runHarnessMutant } from './harness-mutants.ts';

describe.concurrent('mutants of a lost server', () => {
  for (const mutant of clientMutants) {
    test(`a mutant that ${mutant.name} is killed by ${mutant.killedBy}`, { timeout: 120_000 }, async () => {
      expect(await runHarnessMutant(mutant)).toMatchObject({ killed: true });
    });
  }
});
