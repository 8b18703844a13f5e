// Programs that the smoke test runs, as a user would: without the conditions of the clone.
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { delimiter } from 'node:path';
import { paths } from '../scripts/paths.mjs';

/** @typedef {{ path: string, version: string }} Node */

/** A program that hangs fails its step. */
const MAX_MS = 300_000;

/**
 * Runs a program to its end.
 * @param {string} file @param {string[]} args
 * @param {{ cwd: string, env?: Record<string, string>, mayFail?: boolean }} options
 */
export function run(file, args, { cwd, env = {}, mayFail = false }) {
  const inClone = cwd === paths.root;
  const base = inClone ? process.env : userEnvironment();
  const options = { cwd, encoding: /** @type {const} */ ('utf8'), env: { ...base, ...env }, timeout: MAX_MS };
  const { status, stdout, stderr, error } = spawnSync(file, args, options);
  if (error) throw error;
  if (status !== 0 && !mayFail) throw new Error(`${file} ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`);
  return { status, stdout, stderr };
}

/** BUSBAR_FLOOR_NODE, else Node 22 if npx brings it; then the pinned one. @returns {[Node, ...Node[]]} */
export function nodes() {
  const pinned = describe(paths.node);
  if (!pinned) throw new Error('the pinned Node was not found');
  const floor = describe(process.env.BUSBAR_FLOOR_NODE ?? node22());
  return floor && isNewEnough(floor.version) && floor.version !== pinned.version ? [floor, pinned] : [pinned];
}

/** The Bun that the smoke test runs. */
const BUN = 'bun@1.4.4';

/** Where npx keeps Bun; undefined if it cannot get it. @returns {string | undefined} */
export function bun() {
  return fromNpx(BUN, '--print', 'process.execPath') || undefined;
}

/** Where npx keeps a Node 22; empty if it cannot get one. */
function node22() {
  return fromNpx('node@22', '--print', 'process.execPath') || 'no-node-22';
}

/** What a program of the registry prints; empty if it cannot run. @param {string[]} args */
function fromNpx(...args) {
  const options = { encoding: /** @type {const} */ ('utf8'), env: userEnvironment(), cwd: tmpdir(), timeout: 120_000 };
  const { status, stdout } = spawnSync('npx', ['--yes', '--prefer-offline', ...args], options);
  return status === 0 ? stdout.trim() : '';
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
export function userEnvironment() {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|NODE_OPTIONS$|BUSBAR_|MESSAGE_BUS$|INIT_CWD$)/.test(name),
  );
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.startsWith(paths.modules));
  return { ...Object.fromEntries(kept), PATH: path.join(delimiter) };
}
