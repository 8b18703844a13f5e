// The packaging smoke test: what users install works in an empty folder, on the oldest and the newest Node it promises.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { paths } from '../scripts/paths.mjs';
import { runOnBun } from './bun.mjs';
import { bundle } from './bundles.mjs';
import { checkTypes } from './consumers.mjs';
import { installByGuide, runGuide } from './guide.mjs';
import { installer, megabytes } from './installs.mjs';
import { lintTarball } from './lint.mjs';
import { checkTarball, publishedPackages, removeStaleOutput } from './packages.mjs';
import { runPage } from './page.mjs';
import { nodes, oldNode, run } from './programs.mjs';
import { measureStartup } from './startup.mjs';

const folder = mkdtempSync(join(tmpdir(), 'busbar-smoke-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const packages = publishedPackages();
const bin = join('node_modules', 'busbar', 'bin', 'busbar.js');
const runtimes = nodes();
const [floor] = runtimes;

await step('builds', () => {
  removeStaleOutput(packages);
  run(process.execPath, ['scripts/run.mjs', 'build'], { cwd: paths.root });
});

const tarballs = /** @type {Map<string, string>} */ (new Map());
await step('packs what the manifests promise, and no more', () => {
  const args = ['pack', '--json', '--pack-destination', folder, ...packages.flatMap(({ name }) => ['-w', name])];
  const packed = Object.values(JSON.parse(run('npm', args, { cwd: paths.root }).stdout));
  for (const { name, filename } of packed) tarballs.set(name, join(folder, filename));
  for (const { name } of packages) checkTarball(name, packed);
});

await step('passes publint and @arethetypeswrong/core, and its source maps contain their sources', async () => {
  for (const [name, tarball] of tarballs) await lintTarball(name, readFileSync(tarball));
});

const install = installer(folder, packages, tarballs);
let slim = '';
await step('installs busbar with SQLite in at most 25 MB', () => {
  slim = install('slim', ['busbar']);
  return megabytes(slim, 25);
});

await step('installs @busbar/api and transport-redis in at most 5 MB', () =>
  megabytes(install('redis', ['@busbar/api', '@busbar/transport-redis']), 5),
);

let all = '';
const others = ['zeromq', '@opentelemetry/api', '@types/node@22'];
await step('installs all packages', () => {
  all = install('all', [...tarballs.keys()], others);
});

const entries = packages.flatMap(({ name, exports }) => Object.keys(exports).map((entry) => name + entry.slice(1)));
// Needs its optional peer.
const importable = entries.filter((entry) => entry !== '@busbar/conformance/vitest');

for (const node of runtimes) {
  await step(`imports and requires every entry on Node ${node.version}`, () => {
    const imports = importable.map((entry) => `await import(${JSON.stringify(entry)});`).join('\n');
    run(node.path, ['--input-type=module', '--eval', imports], { cwd: all });
    const requires = importable.map((entry) => `require(${JSON.stringify(entry)});`).join('\n');
    run(node.path, ['--input-type=commonjs', '--eval', requires], { cwd: all });
  });

  await step(`sends and receives over a SQLite file on Node ${node.version}`, () => {
    const env = { MESSAGE_BUS: `sqlite:./smoke-${node.version}.db`, BUSBAR_AGENT: '@smoke' };
    run(node.path, [bin, 'register', '@smoke'], { cwd: slim, env });
    run(node.path, [bin, 'send', '@smoke', '{"text":"over the bus"}', '--type', 'note'], { cwd: slim, env });
    const { stdout } = run(node.path, [bin, 'recv', '--wait', '--json'], { cwd: slim, env });
    if (!stdout.includes('over the bus')) throw new Error(`received something else:\n${stdout}`);
  });
}

await step('names the command that installs a missing package', () => {
  for (const [name, args] of Object.entries({
    '@busbar/transport-redis': ['agents', '--url', 'redis://127.0.0.1:1'],
    '@busbar/transport-nats': ['agents', '--url', 'nats://127.0.0.1:1'],
    '@busbar/transport-socket': ['agents', '--url', 'ws://127.0.0.1:1/'],
    '@busbar/conformance': ['conformance', 'memory:'],
  })) {
    const { status, stderr } = run(floor.path, [bin, ...args, '--json'], { cwd: slim, mayFail: true });
    const { code, hint } = JSON.parse(stderr.trim().split('\n').at(-1) ?? '').error;
    if (status !== 69 || code !== 'UNAVAILABLE' || hint !== `npm install ${name}`) {
      throw new Error(`${args.join(' ')} ended with ${status}:\n${stderr}`);
    }
  }
});

for (const node of runtimes) {
  await step(`runs the programs and commands of the guide on Node ${node.version}`, () =>
    runGuide({ all, node: node.path }),
  );
}

await step('installs in a new project as the guide says', () => {
  const byGuide = join(folder, 'by-guide');
  mkdirSync(byGuide);
  const compiler = join(paths.modules, 'typescript/bin/tsc');
  installByGuide(byGuide, { node: process.execPath, compiler, types: join(all, 'node_modules/@types') });
});

await step('runs as an ESM and a CommonJS bundle of esbuild', () =>
  bundle({ folder, slim, all, node: floor.path, bin }),
);

await step('runs as a client for browsers, without Node and with less than 30 KB', () =>
  runPage({ all, node: floor.path, bin }),
);

await step('runs on Bun: memory, SQLite, Redis, NATS, and as a client of a hub', () =>
  runOnBun({ all, node: floor.path, bin }),
);

await step('has types that TypeScript 5.9 and 7 accept, with those of its dependencies', () =>
  checkTypes({ slim, all, entries: importable }),
);

/** Prints on stderr how many files a program loaded. */
const countFiles = `
import { registerHooks } from 'node:module';
let files = 0;
registerHooks({ load: (url, context, next) => { files += url.startsWith('file:'); return next(url, context); } });
process.on('exit', () => console.error(files));`;

await step('loads few files to send one message', () => {
  const preload = ['--import', `data:text/javascript,${encodeURIComponent(countFiles)}`];
  const env = { MESSAGE_BUS: 'sqlite:./smoke.db' };
  run(floor.path, [bin, 'register', '@smoke'], { cwd: slim, env });
  const { stderr } = run(floor.path, [...preload, bin, 'send', '@smoke', 'x'], { cwd: slim, env });
  const files = Number(stderr.trim().split('\n').at(-1));
  if (!(files <= 16)) throw new Error(`${files} files; each costs time at the start of every command`);
});

await step('starts: least of 15, in turns', () => measureStartup({ slim, node: paths.node, bin }));

await step('puts `busbar` on a PATH from a clone, as the README says', () => {
  const [, line = ''] = /^(ln -s .*)$/m.exec(readFileSync(join(paths.root, 'README.md'), 'utf8')) ?? [];
  const onPath = join(folder, 'on-path');
  mkdirSync(onPath);
  run('sh', ['-c', line.replace('~/.local/bin', onPath)], { cwd: paths.root });
  // Whatever Node is there, or none.
  const PATH = [onPath, '/usr/bin', '/bin'].join(delimiter);
  const { stdout } = run('sh', ['-c', 'busbar version && busbar completion bash'], { cwd: slim, env: { PATH } });
  if (!/^\d+\.\d+\.\d+\n# bash completion/.test(stdout)) throw new Error(`it printed:\n${stdout}`);
});

await step('tells an old Node what it needs', () => {
  const old = oldNode();
  if (!old) return 'NOT TESTED: no Node older than 22.18 on this machine';
  const { status, stderr } = run(old.path, [bin, '--help'], { cwd: slim, mayFail: true });
  if (status !== 1 || !/^busbar: needs Node 22\.18 .*\n$/.test(stderr)) throw new Error(`exit ${status}:\n${stderr}`);
});

if (!runtimes.some(({ version }) => version.startsWith('22.'))) {
  process.stdout.write('smoke: NOT TESTED: Node 22, which npx could not bring\n');
}

/** @param {string} name @param {() => string | void | Promise<string | void>} work returns a figure, or why it was not done here */
async function step(name, work) {
  const start = performance.now();
  try {
    const note = await work();
    const seconds = `${((performance.now() - start) / 1_000).toFixed(1)} s`;
    process.stdout.write(`smoke: ${name} (${note === undefined ? seconds : `${note}; ${seconds}`})\n`);
  } catch (error) {
    process.stdout.write(`smoke: FAILED: ${name}\n${error instanceof Error ? error.message : error}\n`);
    process.exit(1);
  }
}
