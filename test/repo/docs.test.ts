// Documents that must agree with the code or stay short.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ERROR_CODES } from '@busbar/api/transport';
import { describe, expect, test } from 'vitest';
import { read, repositoryFiles, root } from './sources.ts';

const has = (file: string): boolean => existsSync(join(root, file));
const documents = repositoryFiles().filter((file) => file.endsWith('.md'));

test.skipIf(!has('docs/errors.md'))('docs/errors.md lists the codes of the code, in headings or first columns', () => {
  const listed = [...read('docs/errors.md').matchAll(/^(?:#+|\|)\s*`?([A-Z]+(?:_[A-Z]+)*)`?\s*(?:\||$)/gm)].map(
    ([, code]) => code,
  );
  expect([...new Set(listed)].sort()).toEqual([...ERROR_CODES].sort());
});

test.skipIf(!has('README.md'))('the README is at most 150 lines', () => {
  expect(read('README.md').split('\n').length).toBeLessThanOrEqual(151);
});

test.skipIf(!has('README.md'))('the README shows the first example as it is', () => {
  const example = read('examples/01-quickstart.ts').replace(/^\/\*\*.*\*\/\n+/, '');
  expect(read('README.md')).toContain(example);
});

test('docs/architecture.md names files and folders that exist, in at most 200 lines', () => {
  const text = read('docs/architecture.md');
  const paths = [...text.matchAll(/`((?:packages|bench|demo|test)\/[^`]+)`/g)].map(([, path = '']) => path);
  expect(paths.length).toBeGreaterThan(10);
  expect(paths.filter((path) => !has(path))).toEqual([]);
  expect(text.split('\n').length).toBeLessThanOrEqual(201);
});

describe.each(documents)('%s', (file) => {
  test('links to files that are there', () => {
    const links = [...read(file).matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)].map(([, link = '']) => link);
    expect(links.filter((link) => !existsSync(join(root, dirname(file), link)))).toEqual([]);
  });
});
