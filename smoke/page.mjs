// The client for browsers, as users get it: a bundle of it runs where there is nothing of Node.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';
import { withHub } from './hub.mjs';
import { run } from './programs.mjs';

const MAX_BYTES = 30_000;

/** Hides what a browser does not have. */
const banner = { js: 'const [process, Buffer, setImmediate, global, require] = [];' };

/** Prints an event that went through the hub. @param {string} url */
const program = (url) => `
import { connect } from '@busbar/browser';

const bus = await connect({ url: ${JSON.stringify(url)}, agent: '@page' });
const seen = Promise.withResolvers();
await bus.subscribe('page.*', ({ body }) => seen.resolve(body));
await bus.publish('page.seen', { result: 6 });
console.log(JSON.stringify(await seen.promise));
await bus.close();
`;

/** Returns the size of the client. @param {{ all: string, node: string, bin: string }} installed */
export async function runPage(installed) {
  const { all, node } = installed;
  const client = readFileSync(join(all, 'node_modules/@busbar/browser/dist/index.js'));
  const bytes = gzipSync(client, { level: 9 }).byteLength;
  if (bytes >= MAX_BYTES) throw new Error(`the client has ${bytes} bytes with gzip`);
  // A folder without packages: the bundles have everything that they need.
  const alone = join(all, '../page');
  mkdirSync(alone);
  let ran = 0;
  await withHub(installed, (url) => {
    if (!url.startsWith('ws:')) return;
    for (const minify of [false, true]) {
      const outfile = join(alone, `minify-${minify}.mjs`);
      bundleTo(outfile, { cwd: all, url, minify });
      const { stdout } = run(node, [outfile], { cwd: alone });
      if (JSON.parse(stdout).result !== 6) throw new Error(`it printed:\n${stdout}`);
      ran += 1;
    }
  });
  if (ran === 0) throw new Error('the hub has no address for pages');
  return `${(bytes / 1e3).toFixed(1)} KB`;
}

/** @param {string} outfile @param {{ cwd: string, url: string, minify: boolean }} options */
function bundleTo(outfile, { cwd, url, minify }) {
  const entry = join(cwd, 'page.mjs');
  writeFileSync(entry, program(url));
  const target = { format: /** @type {const} */ ('esm'), platform: /** @type {const} */ ('browser'), target: 'es2022' };
  buildSync({ ...target, bundle: true, minify, banner, outfile, entryPoints: [entry], logLevel: 'silent' });
}
