/** Finds the bus to open. The only reader of `process.env`. */

import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { checkFilePath } from '@busbar/api/driver';
import { invalid, quote } from '@busbar/api/transport';
import { inNamespace, resolveMigrateUrl } from '../bus-url.ts';
import { type BusName, parseBusName, unknownBus } from '../schemes.ts';
import { type ConfigFile, type ConfiguredBus, readConfigFile } from './config-file.ts';
import { findProjectFolder, makeProjectFolder, type ProjectFolder } from './project-folder.ts';

/** A bus, and where its name came from. */
export interface LocatedBus {
  readonly url: string;
  /** Such as `--url`, `MESSAGE_BUS`, the path of a config file, or `default`. */
  readonly origin: string;
  /** The project's folder, if the bus is in it. */
  readonly folder?: ProjectFolder;
}

/** Environment variables that `busbar` reads. */
export interface Environment {
  readonly MESSAGE_BUS?: string | undefined;
  /** The agent that a command acts for. */
  readonly BUSBAR_AGENT?: string | undefined;
  /** Unless empty or 0, errors show their stack. */
  readonly BUSBAR_DEBUG?: string | undefined;
  /** Default of `--timeout`. */
  readonly BUSBAR_TIMEOUT?: string | undefined;
  readonly NO_COLOR?: string | undefined;
  readonly FORCE_COLOR?: string | undefined;
  readonly TERM?: string | undefined;
  readonly [name: string]: string | undefined;
}

/** Every variable of Busbar, with its meaning. */
export const VARIABLES: Readonly<Record<string, string>> = {
  MESSAGE_BUS: 'the bus: a short name, a URL, or a name in busbar.config.json',
  BUSBAR_AGENT: 'the agent to act for, like --as',
  BUSBAR_TIMEOUT: 'timeout of each call, like --timeout',
  BUSBAR_DEBUG: '1 shows the stack of an error',
};

/** The environment of this process. */
export function environment(): Environment {
  return process.env;
}

/**
 * Finds the bus: `named` (which came from `origin`), else `MESSAGE_BUS`, else `bus` in the config file, else the SQLite file in
 * the project's folder. Writes nothing. Throws INVALID_ARGUMENT for an unknown name.
 */
export function locateBus(
  named?: string,
  origin = 'the URL',
  env: Environment = environment(),
  cwd: string = workingFolder(),
): LocatedBus {
  if (named !== undefined) return locate(named, origin, cwd);
  if (env.MESSAGE_BUS !== undefined) return locate(env.MESSAGE_BUS, 'MESSAGE_BUS', cwd);
  const file = readConfigFile(cwd);
  if (file?.bus !== undefined) return locateInFile(file.bus, file);
  return { ...defaultFile(SQLITE, cwd), origin: 'default' };
}

/** Creates the project's folder if the bus is in it. */
export function createProjectFolder({ folder }: LocatedBus): void {
  if (folder !== undefined) makeProjectFolder(folder);
}

function locate(value: string, what: string, cwd: string): LocatedBus {
  const named = parseBusName(value, what);
  if (named.kind !== 'word') return { ...resolveUrl(named, cwd, cwd, what), origin: what };
  const file = readConfigFile(cwd);
  const bus = file?.buses.get(named.word);
  if (file === undefined || bus === undefined) throw unknownBus(named.word, what, [...(file?.buses.keys() ?? [])]);
  return { ...resolveConfigured(bus, named.word, file, cwd), origin: `${what}, ${file.path}` };
}

function locateInFile(value: string, file: ConfigFile): LocatedBus {
  const what = `${file.path}: bus`;
  const folder = dirname(file.path);
  const named = parseBusName(value, what);
  if (named.kind !== 'word') return { ...resolveUrl(named, folder, folder, what), origin: file.path };
  const bus = file.buses.get(named.word);
  if (bus === undefined) throw unknownBus(named.word, what, [...file.buses.keys()]);
  return { ...resolveConfigured(bus, named.word, file, folder), origin: file.path };
}

function resolveConfigured(
  bus: ConfiguredBus,
  name: string,
  file: ConfigFile,
  cwd: string,
): Omit<LocatedBus, 'origin'> {
  const what = `${file.path}: buses.${name}`;
  const named = parseBusName(bus.url, what);
  if (named.kind === 'word') throw unknownBus(named.word, what, []);
  const located = resolveUrl(named, dirname(file.path), cwd, what);
  if (bus.ns === undefined) return located;
  if (/[?&]ns=/.test(located.url)) throw invalid(`${what} has ns twice`, 'Give ns in the URL or as a key, not both.');
  return { ...located, url: inNamespace(located.url, bus.ns) };
}

/** Relative paths start from `base`. */
function resolveUrl(
  named: Exclude<BusName, { kind: 'word' }>,
  base: string,
  cwd: string,
  what: string,
): Omit<LocatedBus, 'origin'> {
  if (named.scheme === 'migrate') return resolveMigrate(named.kind === 'url' ? named.url : 'migrate:', base, cwd, what);
  const where = Object.hasOwn(FILE_SCHEMES, named.scheme) ? FILE_SCHEMES[named.scheme] : undefined;
  if (named.kind === 'url')
    return where === undefined ? { url: named.url } : resolveFileUrl(where, named.url, base, cwd, what);
  return where === undefined ? { url: `${named.scheme}:` } : defaultFile(where, cwd);
}

/** Both buses by their complete URLs. The project's folder is created if one of them is in it. */
function resolveMigrate(url: string, base: string, cwd: string, what: string): Omit<LocatedBus, 'origin'> {
  let folder: ProjectFolder | undefined;
  const resolved = resolveMigrateUrl(url, what, (part, partOfWhat) => {
    const named = parseBusName(part, partOfWhat);
    const located = named.kind === 'word' ? locate(part, partOfWhat, cwd) : resolveUrl(named, base, cwd, partOfWhat);
    folder ??= located.folder;
    return located.url;
  });
  return folder === undefined ? { url: resolved } : { url: resolved, folder };
}

/** A scheme for files: the prefix of its URLs, and the default name in the project's folder. */
interface FileScheme {
  readonly prefix: string;
  readonly file: string;
}

const SQLITE: FileScheme = { prefix: 'sqlite:', file: 'bus.db' };
/** Schemes whose URLs may name files; `zmq:tcp://…` and `ws://…` name addresses. */
const FILE_SCHEMES: Readonly<Record<string, FileScheme>> = {
  sqlite: SQLITE,
  unix: { prefix: 'unix:', file: 'bus.sock' },
  zmq: { prefix: 'zmq:ipc://', file: 'bus.zmq' },
  ws: { prefix: 'ws:', file: 'bus.ws' },
};
/** Longer names of the same schemes. */
const ALIASES: Readonly<Record<string, string>> = { 'zeromq:': 'zmq:', 'websocket:': 'ws:' };

function resolveFileUrl(
  where: FileScheme,
  url: string,
  base: string,
  cwd: string,
  what: string,
): Omit<LocatedBus, 'origin'> {
  const [, scheme = '', rest = '', query = ''] = /^([^:]*:)([^?#]*)(.*)$/s.exec(url) ?? [];
  const whole = (ALIASES[scheme] ?? scheme) + rest;
  if (rest === '' || whole === where.prefix) {
    const located = defaultFile(where, cwd);
    return { ...located, url: located.url + query };
  }
  const path = whole.slice(where.prefix.length);
  // ws://HOST is an address; sqlite:///PATH is absolute, and the transport parses it.
  if (!whole.startsWith(where.prefix) || isAbsolute(path)) return { url };
  const file = decode(path, what);
  // A shell expands ~ only at the start of a word.
  const isAtHome = file.startsWith('~/');
  checkFilePath(isAtHome ? `.${file.slice(1)}` : file, `the path in ${what}`);
  const placed = isAtHome ? join(homedir(), file.slice(2)) : join(base, file);
  return { url: fileUrl(where, placed) + query };
}

function defaultFile(where: FileScheme, cwd: string): { url: string; folder: ProjectFolder } {
  const folder = findProjectFolder(cwd);
  return { url: fileUrl(where, join(folder.path, where.file)), folder };
}

function workingFolder(): string {
  try {
    return process.cwd();
  } catch {
    throw invalid('the working directory does not exist any more', 'Change to another directory.');
  }
}

/** Escapes characters of a path that are special in a URL. */
function fileUrl({ prefix }: FileScheme, path: string): string {
  return `${prefix}${path.replaceAll(/[%?#]/g, encodeURIComponent)}`;
}

function decode(path: string, what: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw invalid(`${what} has a bad escape: ${quote(path)}`, 'Write a percent sign in a path as %25.');
  }
}
