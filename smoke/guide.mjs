// The programs of the guide, run by users who have installed the packages.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { transform } from 'esbuild';
import { paths } from '../scripts/paths.mjs';
import { pages, promisedBy, snippetsOf } from '../test/guide.ts';
import { run } from './programs.mjs';

/**
 * Runs each program on memory and SQLite, in JavaScript that Node 22 accepts: it does not know `await using`.
 * @param {{ all: string, node: string }} installed
 */
export async function runGuide({ all, node }) {
  const folder = join(all, 'guide');
  mkdirSync(folder, { recursive: true });
  const programs = pages.flatMap(snippetsOf).filter(({ language }) => language === 'ts');
  const runner = join(folder, 'run-programs.mjs');
  await compile(readFileSync(join(paths.root, 'test/run-programs.ts'), 'utf8'), runner);
  const files = programs.map(({ name }) => join(folder, `${name}.mjs`));
  for (const [index, { code }] of programs.entries()) await compile(code, files[index] ?? '');
  for (const kind of ['memory', 'sqlite']) {
    const stores = join(folder, `${kind}-${process.hrtime.bigint()}`);
    mkdirSync(stores);
    const { stdout } = run(node, [runner, kind, stores, ...files], { cwd: folder });
    const outcomes = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    for (const { name, code } of programs)
      check(
        name,
        code,
        outcomes.find((outcome) => outcome.name === name),
      );
  }
  return `${programs.length} programs`;
}

/** @param {string} code @param {string} file */
async function compile(code, file) {
  const { code: text } = await transform(code, { loader: 'ts', target: 'node22', format: 'esm' });
  writeFileSync(file, text);
}

/** @param {string} name @param {string} code @param {{ lines: string[], error?: string } | undefined} outcome */
function check(name, code, outcome) {
  const promised = promisedBy(code);
  const printed = outcome?.lines.filter((line) => promised.includes(line));
  if (outcome?.error === undefined && JSON.stringify(printed) === JSON.stringify(promised)) return;
  throw new Error(`${name} printed:\n${outcome?.lines.join('\n')}\n${outcome?.error ?? ''}`);
}
