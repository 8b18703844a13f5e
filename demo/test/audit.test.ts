/** The audit of files, and which files are found. */

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { auditFile } from '../src/audit/audit.ts';
import { findSourceFiles } from '../src/audit/source-files.ts';

test.each([
  ['', 0],
  ['one', 1],
  ['one\n', 1],
  ['one\n\nthree', 3],
])('%j has %i lines', async (text, lines) => {
  await using folder = tempDir();
  writeFileSync(folder.join('a.ts'), text);
  const audit = await auditFile(folder.join('a.ts'), 'a.ts');
  expect(audit).toMatchObject({ file: 'a.ts', lines, bytes: text.length });
  expect(audit.sha256).toMatch(/^[0-9a-f]{64}$/);
});

test('an unreadable file is a result with its problem', async () => {
  await using folder = tempDir();
  expect(await auditFile(folder.join('gone.ts'), 'gone.ts')).toMatchObject({
    lines: 0,
    problem: 'unreadable (ENOENT)',
  });
});

test('source files are found in order, without links, dependencies and output', async () => {
  await using folder = tempDir();
  for (const name of ['a/b', 'node_modules/x', '.git']) mkdirSync(folder.join(name), { recursive: true });
  for (const name of ['a/b/one.ts', 'two.py', 'node_modules/x/three.js', '.git/four.js', 'notes.txt']) {
    writeFileSync(folder.join(name), 'x\n');
  }
  symlinkSync('..', folder.join('a/b/up'));
  symlinkSync('nowhere', folder.join('dead.ts'));
  expect(await findSourceFiles(folder.path)).toEqual(['a/b/one.ts', 'two.py']);
});
