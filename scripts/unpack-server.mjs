// Unpacks servers from distribution packages into the user's cache: no root, nothing installed system-wide.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** `~/.cache/busbar/servers`; `bin` in there holds one starter a program. */
export const serverCache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'busbar', 'servers');

/** @typedef {(command: string[], env?: Record<string, string>) => Promise<{ status: number | null, output: string }>} Run */
/** @typedef {{ mirror: string, keys: string, suites: string[], components: string }} Source where apt looks */

/**
 * Downloads a package with a list of sources of its own, and what it depends on and the machine lacks, and unpacks all.
 * @param {string} program @param {Run} run @returns {Promise<string | undefined>} what went wrong
 */
export async function unpackServer(program, run) {
  let folder;
  try {
    mkdirSync(join(serverCache, 'bin'), { recursive: true });
    folder = mkdtempSync(join(serverCache, `${program}-`));
  } catch (error) {
    return `${serverCache} cannot be written (${/** @type {Error} */ (error).message})`;
  }
  let problem = 'no source of packages is known here';
  for (const source of sourcesOf(program)) {
    const failure = await unpackFrom(source, program, folder, run);
    if (failure === undefined) return undefined;
    problem = failure;
  }
  rmSync(folder, { recursive: true, force: true });
  return problem;
}

/** @param {Source} source @param {string} program @param {string} folder @param {Run} run */
async function unpackFrom(source, program, folder, run) {
  const work = join(folder, 'apt');
  for (const each of ['lists/partial', 'archives/partial', 'parts']) mkdirSync(join(work, each), { recursive: true });
  const lines = source.suites.map(
    (suite) => `deb [signed-by=${source.keys}] ${source.mirror} ${suite} ${source.components}`,
  );
  writeFileSync(join(work, 'sources.list'), `${lines.join('\n')}\n`);
  const apt = (/** @type {string[]} */ ...args) => run(['apt-get', ...optionsFor(work), ...args]);
  const steps = [() => apt('update'), () => apt('install', ...packagesOf(program))];
  for (const step of steps) {
    const { status, output } = await step();
    if (status !== 0) return `apt-get failed: ${output.trim().split('\n').at(-1) || `status ${status}`}`;
  }
  for (const file of readdirSync(join(work, 'archives')).filter((name) => name.endsWith('.deb'))) {
    const { status, output } = await run(['dpkg', '-x', join(work, 'archives', file), folder]);
    if (status !== 0) return `dpkg failed: ${output.trim()}`;
  }
  rmSync(work, { recursive: true, force: true });
  return addStarter(program, folder, run);
}

/**
 * The machine's own sources stay out of it, its list of installed packages does not: what is there is not downloaded.
 * @param {string} work
 */
function optionsFor(work) {
  const options = {
    'Dir::Etc::sourcelist': join(work, 'sources.list'),
    'Dir::Etc::sourceparts': join(work, 'parts'),
    'Dir::State::lists': join(work, 'lists'),
    'Dir::Cache::archives': join(work, 'archives'),
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '1',
    'APT::Sandbox::User': '',
    'APT::Install-Recommends': 'false',
    'APT::Get::ReInstall': 'true',
    'Debug::NoLocking': 'true',
  };
  return [
    '-q',
    '-y',
    '--download-only',
    ...Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]),
  ];
}

/** Puts `bin/<program>` in place once it runs. @param {string} program @param {string} folder @param {Run} run */
async function addStarter(program, folder, run) {
  const file = ['usr/sbin', 'usr/bin'].map((each) => join(folder, each, program)).find((each) => existsSync(each));
  if (file === undefined) return `the package has no ${program}`;
  const libraries = ['usr/lib', 'lib'].flatMap((each) => librariesOf(join(folder, each)));
  const path = libraries.length === 0 ? '' : `LD_LIBRARY_PATH=${quote(libraries.join(':'))} `;
  const starter = join(folder, 'starter');
  writeFileSync(starter, `#!/bin/sh\n${path}exec ${quote(file)} "$@"\n`, { mode: 0o755 });
  const { status, output } = await run([starter, '--version']);
  if (status !== 0) return `the unpacked ${program} does not run: ${output.trim()}`;
  renameSync(starter, join(serverCache, 'bin', program));
  return undefined;
}

/** The program of the one package is in another. @param {string} program */
function packagesOf(program) {
  return program === 'redis-server' ? [program, 'redis-tools'] : [program];
}

/** @param {string} folder */
function librariesOf(folder) {
  if (!existsSync(folder)) return [];
  const inside = readdirSync(folder, { withFileTypes: true }).filter(
    (each) => each.isDirectory() && each.name.endsWith('-linux-gnu'),
  );
  return inside.map(({ name }) => join(folder, name));
}

/** @param {string} text */
function quote(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * The machine's own release has a Redis that is new enough; a NATS that is comes from a newer one.
 * @param {string} program @returns {Source[]}
 */
function sourcesOf(program) {
  const release = readText('/etc/os-release');
  const [, name = ''] = /^VERSION_CODENAME=(\w+)/m.exec(release) ?? [];
  const distribution = /^ID=ubuntu/m.test(release) ? 'ubuntu' : 'debian';
  const newest = distribution === 'ubuntu' ? 'devel' : 'sid';
  const own = [[name], [`${name}-backports`, name]].filter(() => name !== '');
  const keys = `/usr/share/keyrings/${distribution}-archive-keyring.gpg`;
  const components = distribution === 'ubuntu' ? 'main universe' : 'main';
  const wanted = program === 'nats-server' ? [[newest]] : [...own, [newest]];
  return wanted.map((suites) => ({ mirror: mirrorOf(distribution), keys, suites, components }));
}

/** The mirror that the machine uses. @param {'debian' | 'ubuntu'} distribution */
function mirrorOf(distribution) {
  const parts = '/etc/apt/sources.list.d';
  const files = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [];
  const text = ['/etc/apt/sources.list', ...files]
    .map(readText)
    .join('\n')
    .replaceAll(/^\s*#.*$/gm, '');
  const [found] = new RegExp(`https?://[^\\s\\]]+/${distribution}/?(?=\\s|$)`, 'm').exec(text) ?? [];
  return found ?? (distribution === 'ubuntu' ? 'http://archive.ubuntu.com/ubuntu' : 'http://deb.debian.org/debian');
}

/** @param {string} file */
function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
