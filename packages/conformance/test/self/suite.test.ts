import { CATALOGUE, checkCases, GROUPS, SUITE } from '@busbar/conformance';
import { expect, test } from 'vitest';
import { stubCase } from './stub-harness.ts';

test('the catalogue has 244 ids, each once', () => {
  expect(CATALOGUE).toHaveLength(244);
  expect(new Set(CATALOGUE.map(({ id }) => id)).size).toBe(244);
});

test('two cases with one id are refused', () => {
  expect(() => checkCases([stubCase(), stubCase()])).toThrow('there are two cases P1');
});

test('an id that the catalogue does not have is refused', () => {
  expect(() => checkCases([stubCase({ id: 'P99' })])).toThrow('not in the catalogue');
});

test('a case in the group of another letter is refused', () => {
  expect(() => checkCases([stubCase({ id: 'Q1' })])).toThrow('belongs to the group Priority');
});

test('every case has a title and rules', () => {
  for (const { id, title, rules, group } of SUITE) {
    expect(title.length, id).toBeGreaterThan(10);
    expect(title.length, id).toBeLessThan(140);
    expect(rules.length, id).toBeGreaterThan(0);
    for (const rule of rules) expect(rule, id).toMatch(/^R[DQTEASF]\d+$/);
    expect(GROUPS).toContain(group);
  }
});
