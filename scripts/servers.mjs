// Brings the servers that tests start for themselves onto a Debian machine; elsewhere says how to get them.
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { withInstallLock } from './install-lock.mjs';

/** @typedef {{ program: string, variable: string }} Server the Debian package and its service have the program's name */
/** @typedef {{ status: number | null, output: string }} Ended */
/**
 * What installing needs to know and do; tests put another in its place.
 * @typedef {object} Machine
 * @property {Record<string, string | undefined>} env
 * @property {boolean} isDebian
 * @property {boolean} isRoot
 * @property {boolean} hasSystemd
 * @property {(program: string) => boolean} has
 * @property {(command: string[], started?: (pid: number) => void) => Promise<Ended>} run
 * @property {(text: string) => void} say
 */

/** @type {Server[]} */
const SERVERS = [
  { program: 'redis-server', variable: 'BUSBAR_REDIS_SERVER' },
  { program: 'nats-server', variable: 'BUSBAR_NATS_SERVER' },
];

/** Folders that a user's PATH may lack. */
const FOLDERS = ['/usr/local/bin', '/usr/bin', '/usr/local/sbin', '/usr/sbin', '/opt/homebrew/bin'];

const HOW = [
  'Debian, Ubuntu:  apt-get install redis-server nats-server',
  'macOS:           brew install redis nats-server',
  `with Docker:     docker run --rm -v "$PWD":/src:ro node:24-bookworm sh -c 'cp -r /src /bus && cd /bus && npm test'`,
  'programs of your own: name them in BUSBAR_REDIS_SERVER and BUSBAR_NATS_SERVER',
];

/**
 * Which servers a task starts: the demonstration only to kill it.
 * @param {string} task @param {string[]} args @param {Record<string, string | undefined>} env
 */
export function serversOf(task, args, env) {
  if (['test', 'test:full', 'bench', 'bench:compare', 'conformance'].includes(task))
    return SERVERS.map(({ program }) => program);
  if (task !== 'demo' || !args.includes('--kill-server')) return [];
  return SERVERS.map(({ program }) => program).filter((program) => env['MESSAGE_BUS'] === program.split('-')[0]);
}

/**
 * Installs the programs that are missing where that is possible; two commands at once install once. Never fails: what
 * needs a server that is not there says so itself.
 * @param {string[]} programs @param {Machine} [machine]
 */
export async function ensureServers(programs, machine = thisMachine()) {
  const { env, say, has } = machine;
  const wanted = SERVERS.filter(({ program, variable }) => programs.includes(program) && env[variable] === undefined);
  const missing = () => wanted.map(({ program }) => program).filter((program) => !has(program));
  if (missing().length === 0) return;
  const obstacle = await findObstacle(machine);
  if (obstacle !== undefined) return tell(missing(), obstacle, say);
  await withInstallLock(say, async ({ isDoneBy }) => {
    const packages = missing();
    if (packages.length === 0) return;
    const turnOff = 'about 10 seconds, needed once; BUSBAR_NO_INSTALL=1 turns it off';
    say(`installing ${packages.join(' and ')} with apt-get, for the tests to start (${turnOff})`);
    const problem = await install(packages, machine, isDoneBy);
    if (problem !== undefined) tell(missing(), problem, say);
  });
}

/** @param {Machine} machine @returns {Promise<string | undefined>} why nothing can be installed, in half a sentence */
async function findObstacle({ env, isDebian, isRoot, run }) {
  if (env['BUSBAR_NO_INSTALL']) return 'BUSBAR_NO_INSTALL is set';
  if (!isDebian) return 'this is no Debian or Ubuntu';
  if (isRoot || (await run(['sudo', '-n', 'true'])).status === 0) return undefined;
  return 'to install them takes root, or sudo without a password';
}

/**
 * @param {string[]} packages @param {Machine} machine @param {(pid: number) => void} started
 * @returns {Promise<string | undefined>} what went wrong
 */
async function install(packages, machine, started) {
  const asRoot = machine.isRoot ? [] : ['sudo', '-n'];
  const apt = (/** @type {string[]} */ ...args) =>
    machine.run([...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...APT_OPTIONS, ...args], started);
  const before = await runningOf(packages, machine);
  let ended = await apt('install', ...packages);
  if (ended.status !== 0) {
    // The lists are missing or older than the packages.
    await apt('update');
    ended = await apt('install', ...packages);
  }
  const ours = (await runningOf(packages, machine)).filter((name) => !before.includes(name));
  for (const name of ours) {
    const stop = machine.hasSystemd ? ['systemctl', 'disable', '--now', name] : ['service', name, 'stop'];
    await machine.run([...asRoot, ...stop]);
    machine.say(`stopped the service ${name}, which the installation had started`);
  }
  if (ended.status === 0) return undefined;
  return `apt-get failed: ${ended.output.trim().split('\n').at(-1) ?? `status ${ended.status}`}`;
}

const APT_OPTIONS = [
  '-y',
  '-q',
  '--no-install-recommends',
  '-o',
  'DPkg::Lock::Timeout=120',
  '-o',
  'Acquire::Retries=1',
];

/** @param {string[]} names @param {Machine} machine @returns {Promise<string[]>} services that run */
async function runningOf(names, { hasSystemd, run }) {
  const running = [];
  for (const name of names) {
    const ask = hasSystemd ? ['systemctl', 'is-active', '--quiet', name] : ['service', name, 'status'];
    if ((await run(ask)).status === 0) running.push(name);
  }
  return running;
}

/** @param {string[]} missing @param {string} reason @param {(text: string) => void} say */
function tell(missing, reason, say) {
  if (missing.length === 0) return;
  say(`${missing.join(' and ')} not found (${reason}); what needs them will be NOT TESTED. To get them:`);
  for (const line of HOW) say(`  ${line}`);
}

/** @returns {Machine} */
function thisMachine() {
  return {
    env: process.env,
    isDebian: existsSync('/etc/debian_version') && isProgram('apt-get'),
    isRoot: process.getuid?.() === 0,
    hasSystemd: existsSync('/run/systemd/system'),
    has: isProgram,
    run: runQuietly,
    say: (text) => void process.stderr.write(`busbar: ${text}\n`),
  };
}

/** @param {string} name */
function isProgram(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...FOLDERS];
  return folders.some((folder) => folder !== '' && isExecutable(join(folder, name)));
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {string[]} command @param {(pid: number) => void} [started] @returns {Promise<Ended>} */
function runQuietly([file = '', ...args], started) {
  const env = { ...process.env, PATH: [process.env.PATH, ...FOLDERS].join(delimiter) };
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  if (child.pid) started?.(child.pid);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((resolve) => {
    child.on('error', ({ message }) => resolve({ status: null, output: message }));
    // Not `close`: a daemon that the installation starts may keep the pipes.
    child.on('exit', (status) => resolve({ status, output }));
  });
}
