#!/usr/bin/env node
// The `busbar` command: the built program where it is installed, the TypeScript source in a clone. RUN_BUILT=1, which the tests
// set, runs the built program in a clone, too.
import * as module from 'node:module';

const require = module.createRequire(import.meta.url);
// An import of it loads streams and readline, too: 2 ms.
const { existsSync } = require('node:fs');

const CONDITION = '@busbar/source';
const source = new URL('../src/cli/main.ts', import.meta.url);

module.enableCompileCache?.();
if (existsSync(source) && process.env['RUN_BUILT'] !== '1') await runSource();
else await runBuilt();

async function runSource() {
  // Node 24 is what the repository pins; older ones cannot strip types, or stumble over `await using`.
  if (Number.parseInt(process.versions.node, 10) < 24) return runSourceWithPinnedNode();
  resolveSiblingsToSource();
  resolveFast();
  return run(await import(source.href));
}

async function runBuilt() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 22 || (major === 22 && minor < 18)) {
    fail(`needs Node 22.18 or newer; this is Node ${process.versions.node}`);
  }
  return run(await import('../dist/cli/main.js'));
}

/** @param {{ main(argv: string[]): Promise<number> }} program */
async function run({ main }) {
  if (process.env['BUSBAR_WRAPPER'] !== undefined) endWithWrapper();
  delete process.env['BUSBAR_WRAPPER'];
  process.exitCode = await main(process.argv.slice(2));
  // What a library left open, such as a socket to a server that says nothing, does not keep a command that is over.
  setTimeout(() => process.stdout.writableLength === 0 && process.exit(), 500).unref();
}

/** Ends as on SIGHUP once the process that started this one for another Node has ended. */
function endWithWrapper() {
  if (!process.connected) process.exit(129);
  process.channel?.unref();
  process.once('disconnect', () => process.kill(process.pid, 'SIGHUP'));
}

/**
 * Resolves imports between our own source files fast: about a hundred are loaded, and for each Node would look for the file, its
 * links and its package.json (15 of 80 ms). One that is not there is found missing when it is loaded.
 */
function resolveFast() {
  module.registerHooks({
    resolve: (specifier, context, next) =>
      specifier.startsWith('.') && specifier.endsWith('.ts') && /\/packages\/[^/]+\/src\//.test(context.parentURL ?? '')
        ? { url: new URL(specifier, context.parentURL).href, format: 'module-typescript', shortCircuit: true }
        : next(specifier, context),
  });
}

/** Resolves siblings to their source, each of them once. */
function resolveSiblingsToSource() {
  /** @type {Map<string, import('node:module').ResolveFnOutput>} */
  const siblings = new Map();
  module.registerHooks({
    resolve: (specifier, context, next) => {
      if (!specifier.startsWith('@busbar/')) return next(specifier, context);
      let found = siblings.get(specifier);
      if (found === undefined) {
        const conditions = [...new Set([...(context.conditions ?? []), CONDITION])];
        found = { ...next(specifier, { ...context, conditions }), shortCircuit: true };
        siblings.set(specifier, found);
      }
      return found;
    },
  });
}

async function runSourceWithPinnedNode() {
  const { fileURLToPath } = require('node:url');
  const node = fileURLToPath(new URL('../../../node_modules/node/bin/node', import.meta.url));
  if (!existsSync(node)) {
    fail(
      `needs Node 24 in a clone; this is Node ${process.versions.node}. Run \`npm ci\` in the clone, which brings it`,
    );
  }
  const { spawn } = await import('node:child_process');
  const args = [`--conditions=${CONDITION}`, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  // When this process is killed, the channel closes, and the child ends.
  const env = { ...process.env, BUSBAR_WRAPPER: '1' };
  const child = spawn(node, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env });
  // The arguments may have secrets, which `ps` shows to all users.
  process.title = 'busbar';
  const parent = process.ppid;
  // The child watches this process, and this process its own parent.
  setInterval(() => process.ppid === parent || child.kill('SIGHUP'), 500).unref();
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    // A terminal sends SIGINT to both; anything else reaches only this process.
    process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal)));
  }
  child.on('error', (error) => fail(`cannot start ${node}: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/** @param {string} reason @returns {never} */
function fail(reason) {
  process.stderr.write(`busbar: ${reason}\n`);
  process.exit(1);
}
