// Every program and every command of the guide runs, and the programs print the output in their comments.
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { tempDir } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { pages, promisedBy, snippetsOf } from './guide.ts';
import { read, root } from './repo/sources.ts';

const run = promisify(execFile);
const snippets = pages.flatMap(snippetsOf);
const programs = snippets.filter(({ language }) => language === 'ts');
const commands = snippets.filter(({ language }) => language === 'sh');

/** What `run-programs.ts` prints for each program. */
interface Outcome {
  readonly name: string;
  readonly lines: readonly string[];
  readonly warnings: readonly string[];
  readonly error?: string;
}

/** A folder with a file for each program, from which `busbar` can be imported. */
function writePrograms(folder: { readonly path: string; join(name: string): string }): string[] {
  symlinkSync(`${root}/node_modules`, folder.join('node_modules'));
  writeFileSync(folder.join('package.json'), '{ "type": "module" }');
  return programs.map(({ name, code }) => {
    const file = folder.join(`${name}.ts`);
    writeFileSync(file, `${code}\nexport {};\n`);
    return file;
  });
}

test.each(['memory', 'sqlite'])(
  'the programs print what their comments say, on %s',
  { timeout: 120_000 },
  async (kind) => {
    await using folder = tempDir('guide');
    const files = writePrograms(folder);
    const args = ['--conditions=@busbar/source', `${root}/test/run-programs.ts`, kind, folder.path, ...files];
    const { stdout } = await run(process.execPath, args, {
      cwd: folder.path,
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const outcomes = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Outcome);
    const failed = outcomes.filter(({ error, warnings }) => error !== undefined || warnings.length > 0);
    expect(failed).toEqual([]);
    for (const { name, code } of programs) {
      const promised = promisedBy(code);
      const { lines = [] } = outcomes.find((outcome) => outcome.name === name) ?? {};
      expect({ name, lines: lines.filter((line) => promised.includes(line)) }).toEqual({ name, lines: promised });
    }
  },
);

test('TypeScript accepts the programs', { timeout: 120_000 }, async () => {
  await using folder = tempDir('guide-types');
  const files = writePrograms(folder);
  const compilerOptions = {
    ...{ noEmit: true, composite: false, declaration: false, declarationMap: false, isolatedDeclarations: false },
    ...{ rewriteRelativeImportExtensions: false, allowImportingTsExtensions: true, noUnusedLocals: false },
    ...{ preserveSymlinks: false, typeRoots: [`${root}/node_modules/@types`] },
  };
  writeFileSync(
    folder.join('tsconfig.json'),
    JSON.stringify({ extends: `${root}/tsconfig.base.json`, compilerOptions, files }),
  );
  const args = [`${root}/node_modules/typescript/bin/tsc`, '-p', folder.path, '--pretty', 'false'];
  const output = await run(process.execPath, args).catch((error: { readonly stdout: string }) => error);
  expect(output.stdout).toBe('');
});

test.each(commands)('the commands of $name run', { timeout: 120_000 }, async ({ code }) => {
  await using folder = tempDir('guide-shell');
  const bin = folder.join('bin');
  mkdirSync(bin);
  const command = `#!/bin/sh\nexec '${process.execPath}' '${root}/packages/busbar/bin/busbar.js' "$@"\n`;
  writeFileSync(`${bin}/busbar`, command);
  chmodSync(`${bin}/busbar`, 0o755);
  const { MESSAGE_BUS: _, BUSBAR_AGENT: __, ...rest } = process.env;
  const env = { ...rest, NODE_OPTIONS: '', HOME: folder.path, PATH: `${bin}:${process.env['PATH']}` };
  await run('bash', ['-euo', 'pipefail', '-c', code], { cwd: folder.path, env });
});

describe.each(pages)('%s', (page) => {
  const text = read(page);

  test('is short, is in the list of pages, and has code that runs', () => {
    expect(text.split('\n').length).toBeLessThanOrEqual(150);
    expect(read('docs/guide/README.md')).toContain(`](${page.split('/').at(-1)})`);
    expect(snippetsOf(page).filter(({ language }) => language === 'ts' || language === 'sh').length).toBeGreaterThan(0);
  });
});
