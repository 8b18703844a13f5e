// Where things are in the clone.
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(fileURLToPath(new URL('..', import.meta.url)));
const modules = join(root, 'node_modules');

export const paths = {
  root,
  modules,
  lockfile: join(root, 'package-lock.json'),
  installed: join(modules, '.package-lock.json'),
  node: join(modules, 'node', 'bin', 'node'),
  installLock: join(root, '.busbar-install.lock'),
};
