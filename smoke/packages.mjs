// The packages that are published, and what their tarballs hold.
import { existsSync, globSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { paths } from '../scripts/paths.mjs';

/**
 * @typedef {{ folder: string, name: string, private?: boolean, exports: Record<string, Record<string, string>>, bin?: Record<string, string>, dependencies?: Record<string, string> }} Package
 * @typedef {{ name: string, filename: string, files: { path: string, mode: number }[] }} Packed
 */

/** @returns {Package[]} */
export function publishedPackages() {
  const folders = globSync('packages/*/', { cwd: paths.root }).filter((folder) =>
    existsSync(join(paths.root, folder, 'package.json')),
  );
  const all = folders.map((folder) => ({
    folder,
    ...JSON.parse(readFileSync(join(paths.root, folder, 'package.json'), 'utf8')),
  }));
  return all.filter((each) => !each.private);
}

/** The compiler keeps the output of renamed and deleted files. It must not be published. @param {Package[]} packages */
export function removeStaleOutput(packages) {
  for (const { folder } of packages) {
    const dist = join(paths.root, folder, 'dist');
    for (const file of globSync('**/*.{js,d.ts,map}', { cwd: dist })) {
      if (/^(shared|vendor)\//.test(file)) continue; // Chunks of a bundle, and copied packages.
      const source = file.replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts');
      if (!existsSync(join(paths.root, folder, 'src', source))) rmSync(join(dist, file));
    }
  }
}

/** @param {string} name @param {Packed[]} packed */
export function checkTarball(name, packed) {
  const tarball = packed.find((each) => each.name === name);
  if (!tarball) throw new Error(`${name} was not packed`);
  const files = new Map(tarball.files.map(({ path, mode }) => [path, mode]));
  const { exports, bin = {} } = /** @type {Package} */ (publishedPackages().find((each) => each.name === name));
  for (const conditions of Object.values(exports)) {
    for (const target of [conditions.types, conditions.default]) if (!files.has(clean(target))) missing(name, target);
  }
  for (const target of Object.values(bin)) {
    if (!files.has(clean(target))) missing(name, target);
    if (!(Number(files.get(clean(target))) & 0o111)) throw new Error(`${name}: ${target} is not executable`);
  }
  const foreign = [...files.keys()].filter(
    (file) => !/^(dist|bin)\/[^.]|^(package\.json|busbar\.config\.schema\.json|README\.md|LICENSE)$/.test(file),
  );
  if (foreign.length > 0) throw new Error(`${name} packs files that do not belong in a package: ${foreign.join(', ')}`);
  if (!files.has('LICENSE')) missing(name, 'LICENSE');
}

/** @param {string} name @param {string} file @returns {never} */
function missing(name, file) {
  throw new Error(`${name} lacks ${file} in its tarball`);
}

/** @param {string} target */
function clean(target) {
  return target.replace(/^\.\//, '');
}
