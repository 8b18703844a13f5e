// The matrix page agrees with the suite.
import { readFileSync } from 'node:fs';
import { CATALOGUE, SUITE } from '@busbar/conformance';
import { expect, test } from 'vitest';

const page = readFileSync(new URL('../../../../docs/semantics.md', import.meta.url), 'utf8');
const matrix = page.slice(page.indexOf('<!-- matrix:begin -->'), page.indexOf('<!-- matrix:end -->'));
const hint = 'run `npm run conformance -- --write-docs`';

test('the matrix has every case with its title', () => {
  for (const { id, title } of SUITE) expect(matrix.includes(`| ${id} | ${title}`), `${id}: ${hint}`).toBe(true);
});

test('the matrix has every id of the catalogue', () => {
  for (const { id } of CATALOGUE) expect(matrix.includes(`| ${id} | `), `${id}: ${hint}`).toBe(true);
});

test('nothing failed when the matrix was written', () => {
  expect(matrix).toMatch(/\| all: failed( \| 0)+ \|/);
  expect(matrix).not.toContain('✗ |');
});
