// Brings node_modules in line with the lockfile, and does nothing when it is.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { withInstallLock } from './install-lock.mjs';
import { paths } from './paths.mjs';

/** Installs when something is missing or of another version; two commands at once install once. */
export async function ensureInstalled() {
  if (!reasonToInstall()) return;
  await withInstallLock(say, async (work) => {
    const reason = reasonToInstall();
    if (!reason) return;
    say(`installing dependencies with npm ci, because ${reason} (up to a minute, needed once)`);
    await npmCi(work);
    const left = reasonToInstall();
    if (left) throw new Error(`npm ci ended well, but ${left}. Delete node_modules and run \`npm ci\` to see more`);
  });
}

/** @returns {string | undefined} why an install is needed, in half a sentence */
export function reasonToInstall() {
  if (!existsSync(paths.lockfile))
    throw new Error('package-lock.json is missing; restore it with `git checkout package-lock.json`');
  if (!existsSync(paths.modules)) return 'node_modules is missing';
  if (!existsSync(paths.installed)) return 'an earlier installation did not finish';
  const wanted = readPackages(paths.lockfile);
  const installed = readPackages(paths.installed);
  for (const [place, entry] of Object.entries(wanted)) {
    const reason = difference(place, entry, installed[place]);
    if (reason) return reason;
  }
  return pinnedNodeRuns() ? undefined : 'the pinned Node does not run';
}

/** @typedef {{ version?: string, integrity?: string, resolved?: string, link?: boolean, optional?: boolean, devOptional?: boolean }} Entry */

/** @param {string} place @param {Entry} wanted @param {Entry | undefined} installed */
function difference(place, wanted, installed) {
  if (!place.startsWith('node_modules/')) return;
  const name = place.slice('node_modules/'.length);
  if (!installed) {
    // Optional ones are those of other platforms.
    return wanted.optional || wanted.devOptional ? undefined : `${name} is missing`;
  }
  const same = wanted.link
    ? installed.link
    : wanted.version === installed.version && wanted.integrity === installed.integrity;
  if (!same) return `${name} is ${installed.version}, not ${wanted.version}`;
  return existsSync(join(paths.root, place)) ? undefined : `${name} is missing`;
}

/** @param {string} file @returns {Record<string, Entry>} */
function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
  } catch (error) {
    if (file === paths.installed) return {};
    throw new Error(`${file} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

function pinnedNodeRuns() {
  if (process.execPath === paths.node) return true;
  return spawnSync(paths.node, ['--version'], { stdio: 'ignore', env: withoutNodeOptions() }).status === 0;
}

/**
 * Scripts are left out and then run for the one package that needs its own: npm 10 knows no `allowScripts`, and
 * would look for a compiler to build what comes prebuilt.
 * @param {import('./install-lock.mjs').Work} work
 */
async function npmCi(work) {
  await npm(work, 'ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund');
  await npm(work, 'rebuild', 'node', '--ignore-scripts=false');
}

/**
 * Runs npm quietly; what it said is shown when it fails.
 * @param {import('./install-lock.mjs').Work} work
 * @param {string[]} args
 */
async function npm(work, ...args) {
  const [file, ...first] = npmCommand();
  const child = spawn(file, [...first, ...args], {
    cwd: paths.root,
    env: npmEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.pid) work.isDoneBy(child.pid);
  // The lock stays behind: it names npm, so that the next command waits until npm has ended.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => child.kill() && process.exit(1));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve, reject) => {
    child.on('close', resolve);
    child.on('error', ({ message }) =>
      reject(new Error(`npm cannot be started (${message}); install Node 20 or newer with npm`)),
    );
  });
  if (code === 0) return;
  const lines = output.split('\n').filter((line) => line && !line.startsWith('npm warn'));
  process.stderr.write(`${lines.slice(-30).join('\n')}\n`);
  throw new Error(
    `npm ${args[0]} failed, see above. Mend that (most often: the npm registry cannot be reached), then run the command again`,
  );
}

/** The npm that started us, else the one on the PATH. */
function npmCommand() {
  const started = process.env.npm_execpath;
  return started?.endsWith('npm-cli.js') && existsSync(started) ? [systemNode(), started] : ['npm'];
}

/** npm replaces node_modules, so it must not run on the Node that lies in there. */
function systemNode() {
  return process.execPath.startsWith(paths.modules) ? 'node' : process.execPath;
}

function npmEnvironment() {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.startsWith(paths.modules));
  return { ...withoutNodeOptions(), PATH: path.join(delimiter) };
}

function withoutNodeOptions() {
  const { NODE_OPTIONS: _, npm_config_node_options: __, ...env } = process.env;
  return env;
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`busbar: ${text}\n`);
}
