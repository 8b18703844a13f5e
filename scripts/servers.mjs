// Brings the servers that tests start: from the PATH, from the cache, or unpacked from a distribution package.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { withInstallLock } from './install-lock.mjs';
import { paths } from './paths.mjs';
import { serverCache, unpackServer } from './unpack-server.mjs';

/** @typedef {{ status: number | null, output: string }} Ended */
/**
 * What the search needs to know and do; tests put another in its place.
 * @typedef {object} Machine
 * @property {Record<string, string | undefined>} env
 * @property {boolean} isDebian
 * @property {boolean} isRoot
 * @property {boolean} hasSystemd
 * @property {(program: string) => boolean} has whether the PATH or the cache holds a program that is new enough
 * @property {(program: string) => Promise<string | undefined>} unpack puts it into the cache; resolves with what went wrong
 * @property {(command: string[], started?: (pid: number) => void) => Promise<Ended>} run
 * @property {(text: string) => void} say
 */

/** @type {Record<string, { variable: string, atLeast: string }>} The Debian package and its service have the program's name. */
const SERVERS = JSON.parse(readFileSync(join(paths.root, 'packages/testbed/src/servers/programs.json'), 'utf8'));

/** Folders that a user's PATH may lack. */
const FOLDERS = ['/usr/local/bin', '/usr/bin', '/usr/local/sbin', '/usr/sbin', '/opt/homebrew/bin'];

const HOW = [
  'Debian, Ubuntu:  let this command unpack them, or `apt-get install` versions that are new enough',
  'macOS:           brew install redis nats-server',
  `with Docker:     docker run --rm -v "$PWD":/src:ro node:24-bookworm sh -c 'cp -r /src /bus && cd /bus && npm test'`,
  'with Go:         go install github.com/nats-io/nats-server/v2@v2.15.2',
  'programs of your own: name them in BUSBAR_REDIS_SERVER and BUSBAR_NATS_SERVER',
];

/**
 * Which servers a task starts: the demonstration only to kill it, or to move to it.
 * @param {string} task @param {string[]} args @param {Record<string, string | undefined>} env
 */
export function serversOf(task, args, env) {
  const programs = Object.keys(SERVERS);
  if (['test', 'test:full', 'bench', 'bench:compare', 'conformance', 'mutants', 'chaos', 'moves'].includes(task))
    return programs;
  if (task !== 'demo') return [];
  const killed = args.includes('--kill-server') ? env['MESSAGE_BUS'] : undefined;
  const target = /--migrate[= ](\S+)/.exec(args.join(' '))?.[1];
  return programs.filter((program) => [killed, target].includes(program.split('-')[0]));
}

/**
 * Unpacks the programs that are missing into the cache. Installs them only with `CI` or `BUSBAR_INSTALL=1`. Two commands
 * at once do it once. Never fails: a test that needs a missing server says so itself.
 * @param {string[]} programs @param {Machine} [machine]
 */
export async function ensureServers(programs, machine = thisMachine()) {
  const { env, say, has } = machine;
  const wanted = programs.filter((program) => env[SERVERS[program]?.variable ?? ''] === undefined);
  const missing = () => wanted.filter((program) => !has(program));
  if (missing().length === 0) return;
  if (!machine.isDebian) return tell(missing(), 'this is no Debian or Ubuntu', say);
  await withInstallLock(say, async ({ isDoneBy }) => {
    const problems = [];
    for (const program of missing()) {
      say(`unpacking ${labelOf(program)} into ${serverCache}, for the tests to start (about 10 seconds, needed once)`);
      problems.push(await machine.unpack(program));
    }
    if (missing().length > 0 && (env['CI'] || env['BUSBAR_INSTALL'] === '1')) {
      say(`installing ${missing().join(' and ')} with apt-get`);
      problems.push(await install(missing(), machine, isDoneBy));
    }
    tell(missing(), problems.findLast((problem) => problem !== undefined) ?? 'the package is too old', say);
  });
}

/** @param {string} program */
function labelOf(program) {
  return `${program} ${SERVERS[program]?.atLeast} or newer`;
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
  return `apt-get failed: ${ended.output.trim().split('\n').at(-1) || `status ${ended.status}`}`;
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
  const names = missing.map(labelOf).join(' and ');
  say(`${names} not found (${reason}); what needs them will be NOT TESTED. To get them:`);
  for (const line of HOW) say(`  ${line}`);
}

/** @returns {Machine} */
function thisMachine() {
  return {
    env: process.env,
    isDebian: existsSync('/etc/debian_version') && ['apt-get', 'dpkg'].every((name) => pathsOf(name).some(existsSync)),
    isRoot: process.getuid?.() === 0,
    hasSystemd: existsSync('/run/systemd/system'),
    has: (program) => pathsOf(program).some((file) => isNewEnough(file, program)),
    unpack: (program) => unpackServer(program, runQuietly),
    run: runQuietly,
    say: (text) => void process.stderr.write(`busbar: ${text}\n`),
  };
}

/** @param {string} name */
function pathsOf(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...FOLDERS, join(serverCache, 'bin')];
  return folders.filter((folder) => folder !== '').map((folder) => join(folder, name));
}

/** @param {string} file @param {string} program */
function isNewEnough(file, program) {
  if (!existsSync(file)) return false;
  const { stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' });
  const [version] = /\d+\.\d+\.\d+/.exec(stdout ?? '') ?? [];
  return version !== undefined && version.localeCompare(SERVERS[program]?.atLeast ?? '', 'en', { numeric: true }) >= 0;
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
