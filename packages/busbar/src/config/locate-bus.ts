/** Finds the bus to open. The only reader of `process.env`. */

import { userInfo } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { checkFilePath } from '@busbar/api/driver';
import { invalid, quote } from '@busbar/api/transport';
import { inNamespace } from '../bus-url.ts';
import { composedScheme, resolveComposedUrl } from '../composed-url.ts';
import { type BusName, parseBusName, unknownBus } from '../schemes.ts';
import { type ConfigFile, type ConfiguredBus, readConfigFile } from './config-file.ts';
import { fillVariables } from './fill-variables.ts';
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

/** Variables that Busbar sets for the commands that it runs, with their meanings. Busbar does not read them. */
export const COMMAND_VARIABLES: Readonly<Record<string, string>> = {
  BUSBAR_ID: 'the id of the message',
  BUSBAR_TYPE: 'its type',
  BUSBAR_FROM: 'the agent that sent it',
  BUSBAR_TO: 'the agent it was sent to',
  BUSBAR_TOPIC: 'the topic of an event',
  BUSBAR_ATTEMPT: '1 for the first delivery',
  BUSBAR_PRIORITY: 'its priority, 0 to 9',
  BUSBAR_CORRELATION: 'the id that related messages share',
  BUSBAR_CHILDREN: 'of a task with children: what they returned, as JSON',
  BUSBAR_PROGRESS_FD: 'the descriptor for lines of progress',
  BUSBAR_LOCK: 'the lock or semaphore that is held',
  BUSBAR_TOKEN: 'its fencing token',
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
  const place = { base: cwd, cwd, env, within: [] };
  if (named !== undefined) return locate(named, origin, place);
  if (env.MESSAGE_BUS !== undefined) return locate(env.MESSAGE_BUS, 'MESSAGE_BUS', place);
  const file = readConfigFile(cwd);
  if (file?.bus !== undefined) return locateInFile(file.bus, file, env);
  return { ...defaultFile(SQLITE, cwd), origin: 'default' };
}

/** Creates the project's folder if the bus is in it. */
export function createProjectFolder({ folder }: LocatedBus): void {
  if (folder !== undefined) makeProjectFolder(folder);
}

/** What the meaning of a name depends on. */
interface Place {
  /** Where relative paths start. */
  readonly base: string;
  readonly cwd: string;
  readonly env: Environment;
  /** The names of the config file that are being resolved: composed buses may name others. */
  readonly within: readonly string[];
}

type FoundBus = Omit<LocatedBus, 'origin'>;

function locate(value: string, what: string, place: Place): LocatedBus {
  const named = parseBusName(value, what);
  if (named.kind !== 'word') return { ...resolveUrl(named, what, place), origin: what };
  const file = readConfigFile(place.cwd);
  const bus = file?.buses.get(named.word);
  if (file === undefined || bus === undefined) throw unknownBus(named.word, what, [...(file?.buses.keys() ?? [])]);
  return { ...resolveConfigured(bus, named.word, file, place), origin: `${what}, ${file.path}` };
}

function locateInFile(value: string, file: ConfigFile, env: Environment): LocatedBus {
  const what = `${file.path}: bus`;
  const place = { base: file.base, cwd: dirname(file.path), env, within: [] };
  const named = parseBusName(fillVariables(value, what, env), what);
  if (named.kind !== 'word') return { ...resolveUrl(named, what, place), origin: file.path };
  const bus = file.buses.get(named.word);
  if (bus === undefined) throw unknownBus(named.word, what, [...file.buses.keys()]);
  return { ...resolveConfigured(bus, named.word, file, place), origin: file.path };
}

function resolveConfigured(bus: ConfiguredBus, name: string, file: ConfigFile, place: Place): FoundBus {
  const what = `${file.path}: buses.${name}`;
  const within = [...place.within, name];
  if (place.within.includes(name)) throw invalid(`${what} contains itself: ${within.join(' > ')}`, 'Name another bus.');
  const named = parseBusName(fillVariables(bus.url, what, place.env), what);
  if (named.kind === 'word') throw unknownBus(named.word, what, []);
  const located = resolveUrl(named, what, { ...place, base: file.base, within });
  if (bus.ns === undefined) return located;
  if (/[?&]ns=/.test(located.url)) throw invalid(`${what} has ns twice`, 'Give ns in the URL or as a key, not both.');
  return { ...located, url: inNamespace(located.url, bus.ns) };
}

function resolveUrl(named: Exclude<BusName, { kind: 'word' }>, what: string, place: Place): FoundBus {
  const url = named.kind === 'url' ? named.url : `${named.scheme}:`;
  if (composedScheme(url) !== undefined) return resolveComposed(url, what, place);
  const where = Object.hasOwn(FILE_SCHEMES, named.scheme) ? FILE_SCHEMES[named.scheme] : undefined;
  if (where === undefined) return { url };
  if (named.kind === 'url') return resolveFileUrl(where, url, what, place);
  return defaultFile(where, place.cwd);
}

/** The parts by their complete URLs. The project's folder is created if one of them is in it. */
function resolveComposed(url: string, what: string, place: Place): FoundBus {
  let folder: ProjectFolder | undefined;
  const resolved = resolveComposedUrl(url, what, (part, partOfWhat) => {
    const located = part === '' ? defaultFile(AUDIT_LOG, place.cwd) : locate(part, partOfWhat, place);
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
/** The log of an audited bus, if its URL does not name one. */
const AUDIT_LOG: FileScheme = { prefix: 'sqlite:', file: 'audit.db' };
/** Schemes whose URLs may name files; `zmq:tcp://…` and `ws://…` name addresses. */
const FILE_SCHEMES: Readonly<Record<string, FileScheme>> = {
  sqlite: SQLITE,
  unix: { prefix: 'unix:', file: 'bus.sock' },
  zmq: { prefix: 'zmq:ipc://', file: 'bus.zmq' },
  ws: { prefix: 'ws:', file: 'bus.ws' },
};
/** Longer names of the same schemes. */
const ALIASES: Readonly<Record<string, string>> = { 'zeromq:': 'zmq:', 'websocket:': 'ws:' };

function resolveFileUrl(where: FileScheme, url: string, what: string, { base, cwd, env }: Place): FoundBus {
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
  const placed = isAtHome ? join(homeFolder(env, what), file.slice(2)) : join(base, file);
  return { url: fileUrl(where, placed) + query };
}

function defaultFile(where: FileScheme, cwd: string): { url: string; folder: ProjectFolder } {
  const folder = findProjectFolder(cwd);
  return { url: fileUrl(where, join(folder.path, where.file)), folder };
}

/** `HOME`, as a shell takes it; without it the home folder of the user, as cron jobs need it. */
export function homeFolder({ HOME }: Environment, what: string): string {
  if (HOME !== undefined && HOME !== '') {
    if (isAbsolute(HOME)) return HOME;
    throw invalid(`HOME is not an absolute path, and ${what} starts with ~/`, 'Correct HOME, or write the whole path.');
  }
  try {
    return userInfo().homedir;
  } catch {
    // In some containers the user id has no entry.
    throw invalid(`HOME is not set, and ${what} starts with ~/`, 'Set HOME, or write the whole path.');
  }
}

/** The working directory. */
export function workingFolder(): string {
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
