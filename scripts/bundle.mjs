// Bundles what the compiler wrote to out/ of the package in this folder into few files of dist/: each file costs time at start.
// Imports of other packages stay imports, but with --page: see bundle-page.ts. Packages under `devDependencies` are copied into dist/ without what only compilers need.
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { rolldown } from 'rolldown';
import { bundlePage, withMap } from './bundle-page.ts';

const out = join(process.cwd(), 'out');
const dist = join(process.cwd(), 'dist');
const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const isPage = process.argv.includes('--page');
const tools = isPage ? [] : Object.keys(manifest.devDependencies ?? {});
const copied = new Map();
for (const name of tools) copied.set(name, await copyPackage(name));

/**
 * Chunks with what the command needs to send a message, by their modules, and with what these import. Without them there is a
 * chunk for each set of entries that shares modules.
 * @type {Record<string, Record<string, string[]>>}
 */
const SHARED = {
  '@busbar/api': { driver: ['transport-entry.js', 'driver-entry.js'] },
  busbar: {
    url: ['bus-url.js', 'composed-url.js'],
    locate: ['config/locate-bus.js', 'cli/command.js', 'cli/output/exit-codes.js'],
    mail: ['cli/input/body.js', 'cli/input/mail-flags.js', 'cli/mail/mailbox.js', 'cli/mail/without-bus.js'],
  },
};

/** Modules of Node that take milliseconds to load, and that most commands do not need. Only functions are imported from them. */
const LATE = ['node:crypto', 'node:net', 'node:timers/promises', 'node:zlib'];

// Of an earlier build, also of one whose compiler wrote to dist/.
const old = ['.tsbuildinfo', ...globSync('**/*.{js,js.map,d.ts.map}', { cwd: dist })];
for (const file of old) if (!file.startsWith('vendor/')) rmSync(join(dist, file), { force: true });
if (isPage) await writePage();
else await writeBundles();

async function writePage() {
  const { code, map } = await bundlePage(join(process.cwd(), 'src/index.ts'));
  writeFileSync(join(dist, 'index.js'), code);
  writeFileSync(join(dist, 'index.js.map'), String(map));
}

async function writeBundles() {
  const bundle = await rolldown({
    input: Object.fromEntries(entries().map((file) => [file.replace(/\.js$/, ''), join(out, file)])),
    external: (id) => /^[^./]/.test(id) && !copied.has(id),
    platform: 'node',
    plugins: [
      { name: 'maps-of-the-compiler', load: withMap },
      { name: 'modules-of-node', renderChunk: withModulesOfNode },
      {
        name: 'copied-packages',
        resolveId: (id) => (copied.has(id) ? { id: copied.get(id) ?? id, external: 'relative' } : null),
      },
    ],
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
    codeSplitting: sharedChunks(),
  });
  await bundle.close();
}

/**
 * Imports of modules of Node as calls. An import reads every export of the module, and some of them load what nothing needs: with `fs`
 * streams, promises and readline. That is 5 of 60 ms of the start of the command. A line stays a line, so that the map holds.
 * @param {string} code
 */
function withModulesOfNode(code) {
  const calls = code.replaceAll(/^import (\* as \w+|\{[^}]*\}) from "(node:[\w/]+)";$/gm, (_, names, name) => {
    if (LATE.includes(name)) return withFunctionsOf(name, names);
    const target = names.startsWith('*') ? names.slice('* as '.length) : names.replaceAll(' as ', ': ');
    return `const ${target} = process.getBuiltinModule("${name}");`;
  });
  return { code: calls, map: null };
}

/**
 * Functions that load their module when the first of them is called.
 * @param {string} name @param {string} names as in an import
 */
function withFunctionsOf(name, names) {
  const loaded = `${name.replaceAll(/\W/g, '_')}$`;
  const functions = [...names.matchAll(/(\w+)(?: as ([\w$]+))?/g)].map(([, from, to = from]) => {
    if (!/^[a-z]/.test(from))
      throw new Error(`${from} of ${name} is no function: import it elsewhere, or load ${name} at once`);
    return `const ${to} = (...args) => (${loaded} ??= process.getBuiltinModule("${name}")).${from}(...args);`;
  });
  return [`let ${loaded};`, ...functions].join(' ');
}

/** The chunks of SHARED, as groups of rolldown. A module that knows its own place stays in a file of its own. */
function sharedChunks() {
  const chunks = Object.entries(SHARED[manifest.name] ?? {});
  const groups = chunks.map(([name, files], at) => {
    const modules = importedBy(files.map((file) => join(out, file)));
    return { name, priority: chunks.length - at, minSize: 0, test: (/** @type {string} */ id) => modules.has(id) };
  });
  return groups.length === 0 || { groups, includeDependenciesRecursively: false };
}

/**
 * These modules and what they import from this package, directly or not. Modules that know their own place are left out.
 * @param {string[]} files @returns {Set<string>}
 */
function importedBy(files) {
  const found = new Set(files);
  for (const file of found) {
    const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export)\b[^;]*?from '(\.[^']+)';/gm);
    for (const [, path = ''] of imports) found.add(join(dirname(file), path));
  }
  return found.difference(new Set(placedModules().map((file) => join(out, file))));
}

/**
 * Copies what runs of a package: its JavaScript in one file, its binaries and its license. Of better-sqlite3 this leaves out the
 * source of SQLite.
 * @param {string} name @returns {Promise<string>} its main file
 */
async function copyPackage(name) {
  const main = createRequire(join(process.cwd(), 'package.json')).resolve(name);
  const from = main.slice(0, main.lastIndexOf(join('node_modules', name)) + join('node_modules', name).length);
  const to = join(dist, 'vendor', name);
  rmSync(to, { recursive: true, force: true });
  for (const file of globSync('{LICENSE,prebuilds/*.node}', { cwd: from })) cpSync(join(from, file), join(to, file));
  const bundle = await rolldown({ input: main, external: /^[^./]/, platform: 'node' });
  await bundle.write({ file: join(to, relative(from, main)), format: 'cjs', comments: { legal: true } });
  await bundle.close();
  const { version, license, homepage } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
  writeFileSync(
    join(to, 'package.json'),
    `${JSON.stringify({ name, version, license, homepage, main: `./${relative(from, main)}` }, null, 2)}\n`,
  );
  // Relative to out/, as the modules that import it are.
  return join(out, 'vendor', name, relative(from, main));
}

/** What users and the command import, and modules that know their own place. @returns {string[]} */
function entries() {
  const { exports, bin = {} } = manifest;
  const texts = Object.values(bin).map((file) => readFileSync(/** @type {string} */ (file), 'utf8'));
  const ofBin = texts.flatMap((text) => [...text.matchAll(/\.\.\/dist\/([\w/-]+\.js)/g)].map(([, file = '']) => file));
  const ofUsers = Object.values(exports).map((target) => target.default.replace('./dist/', ''));
  return [...new Set([...ofUsers, ...ofBin, ...placedModules()])];
}

/** Modules that know their own place. */
function placedModules() {
  const files = globSync('**/*.js', { cwd: out });
  return files.filter((file) => readFileSync(join(out, file), 'utf8').includes('import.meta'));
}
