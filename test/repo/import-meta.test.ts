// A bundle in CommonJS has no `import.meta.url`. So modules that users import use it in functions only.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { repositoryFiles } from './sources.ts';

const atTop = /^(?:export )?(?:const|let|await|new) .*import\.meta/m;

test('no module of a package resolves a path while it loads', () => {
  const sources = repositoryFiles().filter((file) =>
    /^packages\/(?!conformance|testbed)[^/]+\/src\/.*\.ts$/.test(file),
  );
  expect(sources.length).toBeGreaterThan(200);
  expect(sources.filter((file) => atTop.test(readFileSync(file, 'utf8')))).toEqual([]);
});
