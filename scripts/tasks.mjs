// The tasks, each a list of programs run one after the other. After a failed one only those follow that always run.

/** @typedef {{ args: string[], env?: Record<string, string>, built?: boolean, always?: boolean }} Step */

const vitest = (/** @type {string[]} */ ...args) => ({ args: ['node_modules/vitest/vitest.mjs', 'run', ...args] });
const tsc = (/** @type {string[]} */ ...args) => ({ args: ['node_modules/typescript/bin/tsc', '-b', ...args] });
const biome = (/** @type {string[]} */ ...args) => ({ args: ['node_modules/@biomejs/biome/bin/biome', ...args] });
const turbo = (/** @type {string[]} */ ...args) => ({
  args: ['node_modules/turbo/bin/turbo', 'run', ...args],
  env: { TURBO_TELEMETRY_DISABLED: '1' },
});
const node = (/** @type {string[]} */ ...args) => ({ args });
const moves = 'packages/busbar/test/moves/main.ts';
const mutants = 'packages/conformance/test/mutants/main.ts';
const apiPages = node('smoke/api-pages.mjs');
const build = turbo('build', '--output-logs=errors-only');
/**
 * The tests. All of them together start the built command, which starts in half the time.
 * @type {(args: string[], env?: Record<string, string>) => Step[]}
 */
const tests = (args, env = {}) =>
  args.length === 0 ? [build, { ...vitest(), env, built: true }] : [{ ...vitest(...args), env }];
const check = [tsc(), biome('check', '--error-on-warnings'), vitest('test/repo')];

/** @type {Record<string, (args: string[]) => Step[]>} */
export const tasks = {
  demo: (args) => [node('demo/src/main.ts', ...args)],
  test: (args) => tests(args),
  'test:full': (args) => [
    ...check,
    apiPages,
    ...tests(args, { BUSBAR_FULL: '1' }),
    ...[
      { ...node('scripts/conformance.ts', 'nats'), env: { BUSBAR_NATS_CLUSTER: '1' } },
      node(mutants, '--backend', 'sqlite,redis,nats,hub,zmq,hybrid,migrate'),
      node(moves, '--via', 'redis'),
      node(moves, '--via', 'nats'),
      node('smoke/main.mjs'),
    ].map((step) => ({ ...step, always: true })),
  ],
  check: () => check,
  build: (args) => [{ ...build, args: [...build.args, ...args] }],
  bench: (args) => [node('bench/src/main.ts', ...args)],
  'bench:compare': (args) => [node('bench/src/compare/main.ts', ...args)],
  conformance: (args) => [node('scripts/conformance.ts', ...args)],
  mutants: (args) => [node(mutants, ...args)],
  chaos: (args) => [node('packages/conformance/test/chaos/main.ts', ...args)],
  moves: (args) => [node(moves, ...args)],
  cli: (args) => [node('packages/busbar/bin/busbar.js', ...args)],
  'docs:cli': () => [node('packages/busbar/test/programs/cli-page.ts')],
  'docs:api': () => [apiPages],
  smoke: (args) => [node('smoke/main.mjs', ...args)],
};
