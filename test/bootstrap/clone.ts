// A throw-away clone with the real scripts, a small lockfile and an npm that only pretends.
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Child, type Outcome, runNode, spawnChild, tempDir } from '@busbar/testbed';

const root = resolve(import.meta.dirname, '../..');

/** The clone, and what can be done in it. */
export interface Clone extends AsyncDisposable {
  readonly path: string;
  /** Runs a task to its end. */
  run(args: string[], env?: Record<string, string>): Promise<Outcome>;
  /** Starts a task. */
  start(args: string[], env?: Record<string, string>): Child;
  /** What npm was called with so far. */
  npmCalls(): string[];
}

// One line each, for the grep of the pretended npm.
const lockfile = `{ "packages": {
"node_modules/for-another-system": { "version": "1.0.0", "optional": true },
"node_modules/left": { "version": "1.0.0", "integrity": "sha512-left" }
} }`;

// `exec` keeps one process, so that a kill of it is a kill of npm.
const npm = `#!/bin/sh
echo "$1" >> npm-calls
case "$NPM_DOES" in
  fail) echo 'npm error the dog ate it' >&2; exit 1 ;;
  hang) exec sleep 60 ;;
esac
[ "$1" = ci ] || exit 0
sleep 0.1
mkdir -p node_modules/left node_modules/node/bin
ln -sf '${process.execPath}' node_modules/node/bin/node
grep -v for-another-system package-lock.json > node_modules/.package-lock.json
`;

const program = `
if (process.argv[2] === 'wait') process.on('SIGTERM', () => process.exit(9)) && setInterval(() => {}, 1000);
console.log(JSON.stringify({ args: process.argv.slice(2), options: process.env.NODE_OPTIONS }));
if (process.argv[2] === 'nested') {
  const { spawnSync } = require('node:child_process');
  const { stdout } = spawnSync('node', ['scripts/run.mjs', 'cli', 'inner'], { encoding: 'utf8' });
  console.log(stdout.trim());
}
process.exitCode = Number(process.argv[3] ?? 0);
`;

/** Makes one with nothing installed. */
export function makeClone(): Clone {
  const folder = tempDir('clone');
  for (const part of ['scripts', 'packages/testbed/src/servers/programs.json']) {
    cpSync(join(root, part), folder.join(part), { recursive: true });
  }
  writeFileSync(folder.join('package-lock.json'), lockfile);
  writeFileSync(folder.join('npm-calls'), '');
  mkdirSync(folder.join('packages/busbar/bin'), { recursive: true });
  writeFileSync(folder.join('packages/busbar/bin/busbar.js'), program);
  mkdirSync(folder.join('bin'));
  writeFileSync(folder.join('bin/npm'), npm);
  chmodSync(folder.join('bin/npm'), 0o755);

  const options = (args: string[], env: Record<string, string> = {}) => ({
    file: folder.join('scripts/run.mjs'),
    args,
    cwd: folder.path,
    env: {
      PATH: `${folder.join('bin')}:/usr/bin:/bin`,
      NODE_OPTIONS: undefined,
      REPOSITORY_INSTALLED: undefined,
      npm_execpath: undefined,
      ...env,
    },
  });
  return {
    path: folder.path,
    run: (args, env) => runNode(options(args, env)),
    start: (args, env) => spawnChild(options(args, env)),
    npmCalls: () => readFileSync(folder.join('npm-calls'), 'utf8').split('\n').filter(Boolean),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
