// The programs of the guide, run by users who have installed the packages.
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { transform } from 'esbuild';
import { paths } from '../scripts/paths.mjs';
import { pages, promisedBy, snippetsOf } from '../test/guide.ts';
import { run, userEnvironment } from './programs.mjs';

const snippets = pages.flatMap(snippetsOf);
const programs = snippets.filter(({ language }) => language === 'ts');
const commands = snippets.filter(({ language }) => language === 'sh');

/**
 * Runs each program on memory and SQLite, in JavaScript that Node 22 accepts: it does not know `await using`. Then runs the
 * commands.
 * @param {{ all: string, node: string }} installed
 */
export async function runGuide({ all, node }) {
  const folder = join(all, 'guide');
  mkdirSync(folder, { recursive: true });
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
  for (const { code } of commands) runCommands(code, { all, node });
  return `${programs.length} programs, ${commands.length} scripts`;
}

/** Runs a script in an empty folder, with the installed command. @param {string} code @param {{ all: string, node: string }} installed */
function runCommands(code, { all, node }) {
  const cwd = mkdtempSync(join(all, '../shell-'));
  const PATH = [join(all, 'node_modules/.bin'), dirname(node), userEnvironment().PATH].join(delimiter);
  run('bash', ['-euo', 'pipefail', '-c', code], { cwd, env: { PATH, HOME: cwd } });
}

/**
 * Packs and installs as the guide says, in a folder beside `folder`, then checks and runs the program of the page with its settings.
 * @param {string} folder @param {{ node: string, compiler: string, types: string }} tools
 */
export function installByGuide(folder, { node, compiler, types }) {
  const page = snippetsOf('docs/guide/install.md');
  const code = (/** @type {(text: string) => boolean} */ isIt) => page.find(({ code }) => isIt(code))?.code ?? '';
  const inFolder = (/** @type {string} */ text) => text.replaceAll('../', `${folder}/`);
  run('sh', ['-ec', inFolder(code((text) => text.includes('npm pack')))], { cwd: paths.root });
  run('sh', ['-ec', inFolder(code((text) => text.includes('npm install')))], { cwd: folder });
  const project = join(folder, 'my-project');
  const settings = JSON.parse(code((text) => text.startsWith('{')));
  settings.compilerOptions.typeRoots = [types];
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(settings));
  writeFileSync(
    join(project, 'try.ts'),
    code((text) => text.includes('bus.health()')),
  );
  run(process.execPath, [compiler, '-p', '.'], { cwd: project });
  const { stdout } = run(node, ['try.ts'], { cwd: project });
  if (stdout !== 'true\n') throw new Error(`it printed:\n${stdout}`);
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
