// Installs the tarballs in empty folders, as npm does it for users, and measures what that brings.
import { globSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './programs.mjs';

/**
 * Makes a function that installs packages, and those of ours that they depend on, in a new folder. It returns the folder.
 * @param {string} root @param {import('./packages.mjs').Package[]} packages @param {Map<string, string>} tarballs
 * @returns {(folder: string, names: string[], others?: string[]) => string}
 */
export function installer(root, packages, tarballs) {
  return (name, names, others = []) => {
    const folder = join(root, name);
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'smoke', private: true, type: 'module' }));
    const files = [...closure(names, packages)].map((each) => tarballs.get(each) ?? each);
    run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', ...files, ...others], {
      cwd: folder,
    });
    return folder;
  };
}

/** How much the folder has installed. Throws if it is more than `max`. @param {string} folder @param {number} max */
export function megabytes(folder, max) {
  const files = globSync('node_modules/**', { cwd: folder, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  const size = `${(bytes / 1e6).toFixed(1)} MB`;
  if (bytes > max * 1e6) throw new Error(`it has ${size} in ${files.length} files`);
  return size;
}

/** @param {string[]} names @param {import('./packages.mjs').Package[]} packages */
function closure(names, packages) {
  const found = new Set(names);
  for (const name of found) {
    const { dependencies = {} } = packages.find((each) => each.name === name) ?? {};
    for (const each of Object.keys(dependencies)) if (packages.some((one) => one.name === each)) found.add(each);
  }
  return found;
}
