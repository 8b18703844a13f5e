/** What a worker finds out about a file, on hand-made files of every awkward kind. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { type AuditedFile, auditFile } from '../src/audit/audit.ts';
import { type Found, findSourceFiles } from '../src/audit/source-files.ts';

async function audit(name: string, text: string | Uint8Array): Promise<AuditedFile> {
  await using folder = tempDir();
  writeFileSync(folder.join(name), text);
  return (await auditFile(folder.join(name), name)) as AuditedFile;
}

test('counts lines, comments and marks outside of strings', async () => {
  const text = '/** TODO one */\nconst a = "// TODO not this"; // FIXME two\n\n/* three\n   four */\nexport { a };\n';
  expect(await audit('a.ts', text)).toMatchObject({ lines: 6, commentLines: 3, todos: 2 });
});

test('finds the longest function by braces', async () => {
  const text =
    'function short() { return 1; }\nclass A {\n  longer(x: number): string {\n    if (x) {\n      y();\n    }\n    return "}";\n  }\n}\n';
  expect((await audit('a.ts', text)).longestFunction).toEqual({ name: 'longer', line: 3, lines: 6 });
});

test('a callback has no name of its own', async () => {
  const text = 'const fast = { baseMs: 1 };\nconst all = list(a)\n  .map((one) => {\n    b();\n    c();\n  });\n';
  expect((await audit('a.ts', text)).longestFunction).toEqual({ name: '(anonymous)', line: 3, lines: 4 });
});

test('parameters may stand on several lines', async () => {
  const text = 'export async function wide(\n  a: Map<string, number>,\n  b = f(1),\n): Promise<void> {\n  g();\n}\n';
  expect((await audit('a.ts', text)).longestFunction).toMatchObject({ line: 4, lines: 3 });
  const plain = 'static int narrow(\n  int a,\n  int b\n){\n  return a;\n}\nif (a)\n{\n  b();\n  c();\n}\n';
  expect((await audit('a.c', plain)).longestFunction).toEqual({ name: 'narrow', line: 4, lines: 3 });
});

test('branches of a preprocessor open a function once', async () => {
  const text =
    'int f(int a) {\n#if A\n  if (a) {\n#else\n  if (!a) {\n#endif\n    g();\n  }\n}\nint h(void) { return 1; }\n';
  expect((await audit('a.c', text)).longestFunction).toEqual({ name: 'f', line: 1, lines: 9 });
});

test('finds the longest function by indentation', async () => {
  const text = 'def a():\n    return 1\n\nclass B:\n    def b(self):\n        x = 1\n\n        return x\n\nprint(1)\n';
  expect((await audit('a.py', text)).longestFunction).toEqual({ name: 'b', line: 5, lines: 4 });
});

test('takes an arrow function by its name', async () => {
  const text = 'export const run = async (a: number) => {\n  b();\n};\nif (a) {\n  b();\n  c();\n  d();\n}\n';
  expect((await audit('a.ts', text)).longestFunction).toEqual({ name: 'run', line: 1, lines: 3 });
});

test.each([
  ['a.ts', new Uint8Array([0x61, 0, 0x62]), 'binary'],
  ['b.ts', new Uint8Array([0x61, 0xff, 0x62]), 'not UTF-8'],
])('%s is skipped with its reason', async (name, bytes, reason) => {
  expect(await audit(name, bytes)).toEqual({ status: 'skipped', file: name, reason });
});

test('what is not there or no file is skipped with its reason', async () => {
  await using folder = tempDir();
  expect(await auditFile(folder.join('gone.ts'), 'gone.ts')).toMatchObject({ reason: 'unreadable (ENOENT)' });
  execFileSync('mkfifo', [folder.join('pipe.ts')]);
  expect(await auditFile(folder.join('pipe.ts'), 'pipe.ts')).toMatchObject({ reason: 'not a regular file' });
});

test('an empty file and one enormous line are audited within the time of a test', async () => {
  expect(await audit('a.ts', '')).toMatchObject({ lines: 0, longestFunction: undefined });
  expect(await audit('b.js', `${'f(){'.repeat(100_000)}`)).toMatchObject({ lines: 1 });
});

test('finds source files; link cycles, dead links and odd names are problems', async () => {
  await using folder = tempDir();
  for (const name of ['a/b', 'node_modules/x', '.git']) mkdirSync(folder.join(name), { recursive: true });
  for (const name of ['a/b/one.ts', 'two.py', 'node_modules/x/three.js', '.git/four.js', 'notes.txt']) {
    writeFileSync(folder.join(name), 'x\n');
  }
  symlinkSync('..', folder.join('a/b/up'));
  symlinkSync('nowhere', folder.join('dead.ts'));
  writeFileSync(Buffer.concat([Buffer.from(`${folder.path}/`), Buffer.from([0xff]), Buffer.from('.ts')]), 'x');
  const found: Found[] = [];
  for await (const one of findSourceFiles(folder.path)) found.push(one);
  expect(found.filter(({ kind }) => kind === 'file').map(({ path }) => path)).toEqual(['a/b/one.ts', 'two.py']);
  expect(found.flatMap((one) => (one.kind === 'problem' ? [one.problem] : [])).sort()).toEqual([
    'a link that leads nowhere',
    'a link to a folder that was visited already',
    'its name is not UTF-8',
  ]);
});
