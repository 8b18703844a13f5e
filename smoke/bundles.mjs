// Programs that users bundle with esbuild, as ESM and as CommonJS.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { paths } from '../scripts/paths.mjs';
import { run } from './programs.mjs';

const readme = readFileSync(join(paths.root, 'packages/busbar/README.md'), 'utf8');
/** The options that the README advises. */
const external = [...readme.matchAll(/--external:(\S+)/g)].map(([, name]) => name ?? '');
const banner = { js: /--banner:js="(.+?)"/.exec(readme)?.[1] ?? '' };

/** A program that handles one task on the bus of its argument, and prints the result or the error. */
export const program = `
import { connect, isBusbarError } from 'busbar';

async function main(): Promise<void> {
  const [, , url, command, ...args] = process.argv;
  const bus = await connect(url, command === undefined ? {} : { hub: { command, args } });
  bus.process('sums', async ({ body }) => (body as number[]).reduce((sum, each) => sum + each, 0));
  const task = await bus.enqueue('sums', [1, 2, 3]);
  console.log(JSON.stringify({ result: await task.result({ timeoutMs: 20_000 }) }));
  await bus.close();
}

main().catch((error: unknown) => {
  if (!isBusbarError(error)) throw error;
  console.log(JSON.stringify(error));
});
`;

/** @param {{ folder: string, slim: string, all: string, node: string, bin: string }} installed */
export async function bundle({ folder, slim, all, node, bin }) {
  // Folders without packages: the bundle of the first one has everything that it needs.
  const alone = join(folder, 'alone');
  mkdirSync(alone);
  for (const [format, ending] of /** @type {const} */ ([
    ['esm', 'mjs'],
    ['cjs', 'cjs'],
  ])) {
    const name = `bundle.${ending}`;
    await bundleTo(join(alone, name), all, format);
    await bundleTo(join(slim, name), slim, format);
    await bundleTo(join(all, name), all, format);
    const said = (/** @type {string} */ cwd, /** @type {string[]} */ ...args) =>
      JSON.parse(run(node, [name, ...args], { cwd }).stdout);
    check(format, said(alone, 'memory:'), { result: 6 });
    check(format, said(alone, 'redis://127.0.0.1:1'), { code: 'UNAVAILABLE' });
    check(format, said(alone, 'sqlite:x.db'), { code: 'UNAVAILABLE', hint: 'npm install @busbar/transport-sqlite' });
    check(format, said(slim, `sqlite:./${format}.db`), { result: 6 });
    check(format, said(slim, 'redis'), { code: 'UNAVAILABLE', hint: 'npm install @busbar/transport-redis' });
    const hub = `unix:./${format}.sock?idleMs=100`;
    check(format, said(all, hub), { code: 'UNSUPPORTED' });
    check(format, said(all, hub, node, join(all, bin)), { result: 6 });
    // Bundled without the options of the README: the error names them.
    await bundleTo(join(alone, name), all, format, {});
    const refused = said(alone, 'sqlite:x.db');
    if (!/In a bundle/.test(refused.hint)) check(format, refused, { code: 'UNSUPPORTED', hint: 'In a bundle …' });
  }
}

/**
 * @param {string} outfile @param {string} cwd where the packages are @param {'esm' | 'cjs'} format
 * @param {import('esbuild').BuildOptions} advised the options of the README
 */
async function bundleTo(outfile, cwd, format, advised = { external, ...(format === 'esm' && { banner }) }) {
  const entry = join(cwd, 'program.ts');
  writeFileSync(entry, program);
  const options = { bundle: true, format, outfile, platform: /** @type {const} */ ('node'), target: 'node22' };
  const { errors } = await build({ ...options, ...advised, entryPoints: [entry], logLevel: 'silent' });
  if (errors.length > 0) throw new Error(errors.map(({ text }) => text).join('\n'));
}

/** @param {string} format @param {Record<string, unknown>} found @param {Record<string, unknown>} expected */
function check(format, found, expected) {
  const isRight = Object.entries(expected).every(([key, value]) => found[key] === value);
  if (!isRight) throw new Error(`${format}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(found)}`);
}
