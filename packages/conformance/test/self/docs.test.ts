// The matrix page and the README agree with the suite.
import { readdirSync, readFileSync } from 'node:fs';
import { CATALOGUE, SUITE } from '@busbar/conformance';
import { expect, test } from 'vitest';

const page = readFileSync(new URL('../../../../docs/semantics.md', import.meta.url), 'utf8');
const matrix = page.slice(page.indexOf('<!-- matrix:begin -->'), page.indexOf('<!-- matrix:end -->'));
const hint = 'run `npm run conformance -- --write-docs`';

test('the matrix has every case with its title', () => {
  for (const { id, title } of SUITE) expect(matrix.includes(`| ${id} | ${title}`), `${id}: ${hint}`).toBe(true);
});

test('the README has the number of cases, and every file of them', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const files = readdirSync(new URL('../../src/cases', import.meta.url));
  expect(readme).toContain(`${SUITE.length} cases`);
  expect(readme).toContain(`The ${files.length} files`);
  expect(files.filter((file) => !readme.includes(`\`${file}\``))).toEqual([]);
});

test('the matrix has every id of the catalogue', () => {
  for (const { id } of CATALOGUE) expect(matrix.includes(`| ${id} | `), `${id}: ${hint}`).toBe(true);
});

test('nothing failed when the matrix was written', () => {
  expect(matrix).toMatch(/\| all: failed( \| 0)+ \|/);
  expect(matrix).not.toContain('✗ |');
});
