// Each source mutant still applies. `npm run mutants` runs them.
import { stripTypeScriptTypes } from 'node:module';
import { SUITE } from '@busbar/conformance';
import { expect, test } from 'vitest';
import { mutate } from './source-mutant.ts';
import { sourceMutants } from './source-mutants.ts';

test.each(sourceMutants.map((mutant) => [`${mutant.backend}: ${mutant.name}`, mutant] as const))(
  'the mutant of %s applies',
  (_, mutant) => {
    expect(() => stripTypeScriptTypes(mutate(mutant), { mode: 'strip' })).not.toThrow();
    expect(mutant.replace).not.toBe(mutant.find);
    expect(SUITE.some(({ id }) => id === mutant.killedBy)).toBe(true);
  },
);

test('there are many of them on each backend, each with its own name', () => {
  const names = sourceMutants.map(({ backend, name }) => `${backend} ${name}`);
  expect(new Set(names).size).toBe(names.length);
  for (const backend of ['sqlite', 'redis', 'nats', 'hub']) {
    expect(sourceMutants.filter((mutant) => mutant.backend === backend).length).toBeGreaterThanOrEqual(5);
  }
});
