// The packaging smoke test: what users install works in an empty folder, on the oldest Node it promises.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { checkTarball, publishedPackages, removeStaleOutput } from './packages.mjs';
import { paths } from './paths.mjs';
import { floorNode, oldNode, run } from './programs.mjs';

const folder = mkdtempSync(join(tmpdir(), 'busbar-smoke-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const packages = publishedPackages();
const node = floorNode();
const bin = join('node_modules', 'busbar', 'bin', 'busbar.js');

await step('builds', () => {
  removeStaleOutput(packages);
  run(process.execPath, ['scripts/run.mjs', 'build'], { cwd: paths.root });
});

let tarballs = /** @type {string[]} */ ([]);
await step('packs what the manifests promise, and no more', () => {
  const args = ['pack', '--json', '--pack-destination', folder, ...packages.flatMap(({ name }) => ['-w', name])];
  const packed = Object.values(JSON.parse(run('npm', args, { cwd: paths.root }).stdout));
  tarballs = packed.map(({ filename }) => `./${filename}`);
  for (const { name } of packages) checkTarball(name, packed);
});

await step('installs the tarballs in an empty folder', () => {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'smoke', private: true, type: 'module' }));
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...tarballs], { cwd: folder });
});

const entries = packages.flatMap(({ name, exports }) => Object.keys(exports).map((entry) => name + entry.slice(1)));
// Needs its optional peer.
const importable = entries.filter((entry) => entry !== '@busbar/conformance/vitest');

await step(`imports every entry on Node ${node.version}`, () => {
  const code = importable.map((entry) => `await import(${JSON.stringify(entry)});`).join('\n');
  run(node.path, ['--input-type=module', '--eval', code], { cwd: folder });
});

await step('has types that compile without its source', () => {
  const lines = importable.map((entry, index) => `import * as entry${index} from '${entry}';\nvoid entry${index};`);
  writeFileSync(join(folder, 'types.ts'), `${lines.join('\n')}\n`);
  const options = { module: 'nodenext', target: 'es2024', strict: true, noEmit: true, types: ['node'] };
  const typeRoots = [join(paths.modules, '@types')];
  const lib = ['es2024', 'esnext.disposable'];
  const config = { compilerOptions: { ...options, lib, typeRoots }, files: ['types.ts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  run(process.execPath, [join(paths.modules, 'typescript/bin/tsc'), '-p', folder], { cwd: folder });
});

await step('has types for programs without the types of Node and of new libraries', () => {
  writeFileSync(join(folder, 'web.ts'), "import { connect } from 'busbar';\nvoid connect;\n");
  const options = { module: 'esnext', moduleResolution: 'bundler', target: 'es2022', lib: ['es2022', 'dom'] };
  const compilerOptions = { ...options, strict: true, noEmit: true, types: [] };
  writeFileSync(join(folder, 'tsconfig.web.json'), JSON.stringify({ compilerOptions, files: ['web.ts'] }));
  run(process.execPath, [join(paths.modules, 'typescript/bin/tsc'), '-p', join(folder, 'tsconfig.web.json')], {
    cwd: folder,
  });
});

let help = '';
await step('runs `busbar --help`', () => {
  help = run(node.path, [bin, '--help'], { cwd: folder }).stdout;
  if (!help.includes('busbar')) throw new Error(`the help does not name the program:\n${help}`);
});

await step('sends and receives over a SQLite file', () => {
  if (!/\bsend\b/.test(help) || !/\brecv\b/.test(help)) return 'skipped: no such commands yet';
  const env = { MESSAGE_BUS: 'sqlite:./smoke.db', BUSBAR_AGENT: '@smoke' };
  run(node.path, [bin, 'register', '@smoke'], { cwd: folder, env });
  run(node.path, [bin, 'send', '@smoke', '{"text":"over the bus"}', '--type', 'note'], { cwd: folder, env });
  const { stdout } = run(node.path, [bin, 'recv', '--wait', '--json'], { cwd: folder, env });
  if (!stdout.includes('over the bus')) throw new Error(`received something else:\n${stdout}`);
});

/** Prints on stderr how many files a program loaded. */
const countFiles = `
import { registerHooks } from 'node:module';
let files = 0;
registerHooks({ load: (url, context, next) => { files += url.startsWith('file:'); return next(url, context); } });
process.on('exit', () => console.error(files));`;

await step('loads few files to send one message', () => {
  const preload = ['--import', `data:text/javascript,${encodeURIComponent(countFiles)}`];
  const env = { MESSAGE_BUS: 'sqlite:./smoke.db' };
  const { stderr } = run(node.path, [...preload, bin, 'send', '@smoke', 'x'], { cwd: folder, env });
  const files = Number(stderr.trim().split('\n').at(-1));
  if (!(files <= 40)) throw new Error(`${files} files; each costs time at the start of every command`);
});

await step('puts `busbar` on a PATH from a clone, as the README says', () => {
  const [, line = ''] = /^(ln -s .*)$/m.exec(readFileSync(join(paths.root, 'README.md'), 'utf8')) ?? [];
  const onPath = join(folder, 'on-path');
  mkdirSync(onPath);
  run('sh', ['-c', line.replace('~/.local/bin', onPath)], { cwd: paths.root });
  const PATH = [onPath, dirname(process.execPath), process.env['PATH']].join(delimiter);
  const { stdout } = run('sh', ['-c', 'busbar version && busbar completion bash'], { cwd: folder, env: { PATH } });
  if (!/^\d+\.\d+\.\d+\n# bash completion/.test(stdout)) throw new Error(`it printed:\n${stdout}`);
});

await step('tells an old Node what it needs', () => {
  const old = oldNode();
  if (!old) return 'skipped: no Node older than 22.18 on this machine';
  const { status, stderr } = run(old.path, [bin, '--help'], { cwd: folder, mayFail: true });
  if (status !== 1 || !/^busbar: needs Node 22\.18 .*\n$/.test(stderr)) throw new Error(`exit ${status}:\n${stderr}`);
});

/** @param {string} name @param {() => string | void} work says when it could not be done here */
async function step(name, work) {
  const start = performance.now();
  try {
    const note = await work();
    const seconds = ((performance.now() - start) / 1_000).toFixed(1);
    process.stdout.write(`smoke: ${name} (${note ?? `${seconds} s`})\n`);
  } catch (error) {
    process.stdout.write(`smoke: FAILED: ${name}\n${error instanceof Error ? error.message : error}\n`);
    process.exit(1);
  }
}
