// Programs that the smoke test runs, as a user would: without the conditions of the clone.
import { spawnSync } from 'node:child_process';
import { delimiter } from 'node:path';
import { paths } from './paths.mjs';

/** @typedef {{ path: string, version: string }} Node */

/**
 * Runs a program to its end.
 * @param {string} file @param {string[]} args
 * @param {{ cwd: string, env?: Record<string, string>, mayFail?: boolean }} options
 */
export function run(file, args, { cwd, env = {}, mayFail = false }) {
  const inClone = cwd === paths.root;
  const base = inClone ? process.env : userEnvironment();
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd, encoding: 'utf8', env: { ...base, ...env } });
  if (error) throw error;
  if (status !== 0 && !mayFail) throw new Error(`${file} ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`);
  return { status, stdout, stderr };
}

/** BUSBAR_FLOOR_NODE, else the Node of the PATH when it is new enough, else the pinned one. @returns {Node} */
export function floorNode() {
  const asked = process.env.BUSBAR_FLOOR_NODE;
  const candidates = [asked ?? 'node', paths.node].map(describe).filter((node) => node !== undefined);
  const found = candidates.find(({ version }) => isNewEnough(version));
  if (!found) throw new Error('no Node 22.18 or newer was found');
  return found;
}

/** The Node of the PATH when it is too old to run an installed busbar. @returns {Node | undefined} */
export function oldNode() {
  const node = describe('node');
  return node && !isNewEnough(node.version) ? node : undefined;
}

/** @param {string} path @returns {Node | undefined} */
function describe(path) {
  const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8', env: userEnvironment() });
  return status === 0 ? { path, version: stdout.trim().slice(1) } : undefined;
}

/** @param {string} version */
function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

/** The PATH without the clone's tools, and nothing of the npm that runs us. */
function userEnvironment() {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|NODE_OPTIONS$|BUSBAR_|MESSAGE_BUS$|INIT_CWD$)/.test(name),
  );
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.startsWith(paths.modules));
  return { ...Object.fromEntries(kept), PATH: path.join(delimiter) };
}
