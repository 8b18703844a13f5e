// Bundles what the compiler wrote to out/ of the package in this folder into few files of dist/: each file costs time at start.
// Imports of other packages stay imports.
import { globSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { rolldown } from 'rolldown';

const out = join(process.cwd(), 'out');
const dist = join(process.cwd(), 'dist');

// Of an earlier build, also of one whose compiler wrote to dist/.
const old = ['.tsbuildinfo', ...globSync('**/*.js{,.map}', { cwd: dist })];
for (const file of old) rmSync(join(dist, file), { force: true });
const bundle = await rolldown({
  input: Object.fromEntries(entries().map((file) => [file.replace(/\.js$/, ''), join(out, file)])),
  external: /^[^./]/,
  platform: 'node',
  // Others may import more from an entry than it exports to users.
  preserveEntrySignatures: 'allow-extension',
});
await bundle.write({
  dir: dist,
  format: 'esm',
  sourcemap: true,
  comments: { legal: true, annotation: true, jsdoc: false },
  entryFileNames: '[name].js',
  // A module that is loaded on demand keeps its path.
  chunkFileNames: ({ facadeModuleId }) => (facadeModuleId ? relative(out, facadeModuleId) : 'shared/[name].js'),
});
await bundle.close();

/** What users and the command import, and modules that know their own place. @returns {string[]} */
function entries() {
  const { exports, bin = {} } = JSON.parse(readFileSync('package.json', 'utf8'));
  const texts = Object.values(bin).map((file) => readFileSync(/** @type {string} */ (file), 'utf8'));
  const ofBin = texts.flatMap((text) => [...text.matchAll(/\.\.\/dist\/([\w/-]+\.js)/g)].map(([, file = '']) => file));
  const ofUsers = Object.values(exports).map((target) => target.default.replace('./dist/', ''));
  const placed = globSync('**/*.js', { cwd: out }).filter((file) =>
    readFileSync(join(out, file), 'utf8').includes('import.meta'),
  );
  return [...new Set([...ofUsers, ...ofBin, ...placed])];
}
