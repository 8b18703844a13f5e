/** Schemes and short names of URLs, with the package behind each: the only importer of transports. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BusbarError, didYouMean, invalid, isBusbarError, quote, type Transport } from '@busbar/api/transport';
import type { HybridParts, MigrateParts } from '@busbar/compose';
import type { UrlHarnessOptions } from '@busbar/conformance';
import type { SurveyedNamespace } from '@busbar/transport-sqlite';
import { checkControlCharacters, checkSetting, maskUrl, withParameter } from './bus-url.ts';
import { parseComposedUrl } from './composed-url.ts';

type Sockets = typeof import('@busbar/transport-socket');

const SOCKETS = '@busbar/transport-socket';
const SQLITE = '@busbar/transport-sqlite';

/** Opens a transport at a URL. */
export type Opener = (url: string) => Promise<Transport>;

interface Scheme {
  /** URL schemes; the first one is the short name. */
  readonly names: readonly string[];
  readonly package: string;
  /** What the short name means without a URL. */
  readonly bare: string;
  /** Whether the bus at a URL does not exist yet; only for buses that are files. */
  readonly isMissing?: (url: string) => Promise<boolean>;
  /** How the conformance suite isolates its cases. Default: one namespace each. */
  readonly apart?: 'file';
  /** It has no server that can be away. */
  readonly serverless?: true;
  /** It has no fast path of requests, so a hybrid opens while it is away. */
  readonly opensLate?: true;
  /** It is made of other buses, so its short name alone names none. */
  readonly composed?: true;
  readonly load: () => Promise<Opener>;
}

const SCHEMES: readonly Scheme[] = [
  {
    names: ['memory'],
    package: '@busbar/transport-memory',
    bare: 'this process only',
    serverless: true,
    load: async () => {
      const { openMemory, parseMemoryUrl } = await import('@busbar/transport-memory');
      return (url) => openMemory(parseMemoryUrl(url));
    },
  },
  {
    names: ['sqlite'],
    package: SQLITE,
    bare: "a file in the project's .busbar folder",
    apart: 'file',
    serverless: true,
    load: async () => {
      const { openSqlite, parseSqliteUrl } = await import('@busbar/transport-sqlite');
      return (url) => openSqlite(parseSqliteUrl(url));
    },
    isMissing: async (url) => {
      const { parseSqliteUrl } = await import('@busbar/transport-sqlite');
      return !existsSync(parseSqliteUrl(url).file);
    },
  },
  {
    names: ['redis', 'rediss'],
    package: '@busbar/transport-redis',
    bare: 'Redis on this machine, at 127.0.0.1:6379',
    opensLate: true,
    load: async () => {
      const { openRedis, parseRedisUrl } = await import('@busbar/transport-redis');
      return (url) => openRedis(parseRedisUrl(url));
    },
  },
  {
    names: ['nats', 'tls'],
    package: '@busbar/transport-nats',
    bare: 'NATS on this machine, at 127.0.0.1:4222',
    load: async () => {
      const { openNats, parseNatsUrl } = await import('@busbar/transport-nats');
      return (url) => openNats(parseNatsUrl(url));
    },
  },
  hubScheme(['unix'], "a socket in the project's .busbar folder"),
  hubScheme(['zmq', 'zeromq'], "ZeroMQ in the project's .busbar folder"),
  hubScheme(['ws', 'websocket', 'wss'], 'WebSocket on this machine'),
  {
    names: ['migrate'],
    package: '@busbar/compose',
    bare: 'a bus that may move: migrate:?from=sqlite&to=redis',
    composed: true,
    load: async () => {
      const { openMigrate } = await import('@busbar/compose');
      return (url) => openMigrate(migrateParts(url));
    },
    isMissing: async (url) => {
      const { part } = parseComposedUrl(url);
      return (await isMissing(part('from'))) && (await isMissing(part('to')));
    },
  },
  {
    names: ['hybrid'],
    package: '@busbar/compose',
    bare: 'a fast bus and a durable one: hybrid:?fast=redis&durable=sqlite',
    composed: true,
    load: async () => {
      const { openHybrid, parseHybridQuery } = await import('@busbar/compose');
      return (url) => openHybrid(hybridParts(url), parseHybridQuery(parseComposedUrl(url).options));
    },
    isMissing: (url) => isMissing(parseComposedUrl(url).part('durable')),
  },
  {
    names: ['audit'],
    package: '@busbar/compose',
    bare: 'a bus with a log of its messages: audit:?of=redis',
    composed: true,
    load: async () => {
      const { openAudit, parseAuditOptions } = await import('@busbar/compose');
      return (url) => openAudit(auditParts(url), parseAuditOptions(parseComposedUrl(url).options));
    },
    isMissing: (url) => isMissing(parseComposedUrl(url).part('of')),
  },
];

/** The two buses of a `migrate:` URL. */
export function migrateParts(url: string): MigrateParts {
  return { from: partAt(url, 'from'), to: partAt(url, 'to') };
}

/** The two buses of a `hybrid:` URL. */
export function hybridParts(url: string): HybridParts {
  const fast = partAt(url, 'fast');
  const opensLate = findScheme(parseComposedUrl(url).part('fast').replace(/:.*$/s, ''))?.opensLate === true;
  return { fast: { ...fast, opensLate }, durable: partAt(url, 'durable') };
}

/** The bus and the log of an `audit:` URL. A log that is away does not delay the bus. */
export function auditParts(url: string): { readonly of: PartBus; readonly log: PartBus } {
  const log = partAt(url, 'log');
  return { of: partAt(url, 'of'), log: { ...log, open: () => openUrl(log.url) } };
}

/** A part of a composed bus. */
interface PartBus {
  /** Its URL without secrets. */
  readonly name: string;
  readonly url: string;
  open(): Promise<Transport>;
}

/** One of the buses of a composed URL. */
function partAt(url: string, name: string): PartBus {
  const { part, waitForServerMs } = parseComposedUrl(url);
  const inner = part(name);
  return { name: maskUrl(inner), url: inner, open: () => openUrl(inner, waitForServerMs) };
}

function hubScheme(names: readonly string[], bare: string): Scheme {
  return { names, package: SOCKETS, bare, load: loadHubClient, isMissing: isHubMissing };
}

/** The command of this package; it also runs hubs in the background. A CommonJS bundle does not know where it is. */
function program(): string {
  const { url } = import.meta;
  if (url) return fileURLToPath(new URL('../bin/busbar.js', url));
  throw new BusbarError('UNSUPPORTED', 'a CommonJS bundle cannot start a hub', {
    hint: 'Start one with `busbar hub`, or leave the package busbar out of the bundle.',
  });
}

const URL_FORM = /^([A-Za-z][A-Za-z0-9+.-]*):/;
const MAX_URL = 4_096;

/** The parts of a value that names a bus: a URL of a known scheme, a short name, or another word. */
export type BusName =
  | { readonly kind: 'url'; readonly scheme: string; readonly url: string }
  | { readonly kind: 'scheme'; readonly scheme: string }
  | { readonly kind: 'word'; readonly word: string };

/** Parses a value that names a bus. Throws INVALID_ARGUMENT with the valid names. */
export function parseBusName(value: unknown, what: string): BusName {
  if (typeof value !== 'string') throw invalid(`${what} must be a string, not ${quote(value)}`, validNames());
  if (value.trim() === '') throw invalid(`${what} is empty`, validNames());
  checkSetting(value, what);
  if (value.length > MAX_URL) throw invalid(`${what} is longer than ${MAX_URL} characters`, validNames());
  const [, scheme] = URL_FORM.exec(value) ?? [];
  if (scheme === undefined) return parseWord(value, what);
  const known = findScheme(scheme.toLowerCase());
  if (known === undefined) {
    throw invalid(
      `${what} has the unknown scheme ${quote(scheme)}`,
      `${didYouMean(scheme, allNames())}${validNames()}`,
    );
  }
  checkControlCharacters(value, what);
  return { kind: 'url', scheme: known.names[0] ?? scheme, url: `${scheme.toLowerCase()}${value.slice(scheme.length)}` };
}

/** The error for an unknown bus. */
export function unknownBus(word: string, what: string, configured: readonly string[]): BusbarError {
  const names = configured.length === 0 ? '' : ` Configured: ${configured.join(', ')}.`;
  return invalid(
    `${what} names an unknown bus: ${quote(maskWord(word))}`,
    `${didYouMean(word, [...allNames(), ...configured])}${validNames()}${names}`,
  );
}

/** A word that may be a broken URL, without what may be a user and a password. */
function maskWord(word: string): string {
  return maskUrl(word).replace(/^.*[:/].*@/s, '***@');
}

/** True for the name of a scheme; a bus in a config file cannot have that name. */
export function isSchemeName(name: string): boolean {
  return findScheme(name.toLowerCase()) !== undefined;
}

/** Opens the transport that `url` names, and waits for its server as long as `waitForServerMs` or the URL says. */
export async function openUrl(url: string, waitForServerMs?: number): Promise<Transport> {
  const name = url.slice(0, Math.max(0, url.indexOf(':')));
  const scheme = findScheme(name);
  if (scheme === undefined) throw unknownBus(url, 'the URL', []);
  const open = await loadPackage(scheme.package, scheme.load);
  if (waitForServerMs === undefined || scheme.serverless) return open(url);
  return open(withParameter(url, 'waitForServerMs', String(waitForServerMs)));
}

/** Whether the bus at `url` is in files that do not exist yet. */
export async function isMissing(url: string): Promise<boolean> {
  const scheme = findScheme(url.slice(0, Math.max(0, url.indexOf(':'))));
  if (scheme?.isMissing === undefined) return false;
  const { isMissing } = scheme;
  return loadPackage(scheme.package, () => isMissing(url));
}

/** The messages in a SQLite store, without using it: by namespace; undefined if the file is none. */
export function surveyFile(file: string): Promise<readonly SurveyedNamespace[] | undefined> {
  return loadPackage(SQLITE, async () => (await import('@busbar/transport-sqlite')).surveySqlite(file));
}

/** The file of the SQLite store behind `url`: its own, or that which its hub on this machine lends. Undefined for others. */
export async function storeFileOf(url: string): Promise<string | undefined> {
  if (/^(?:unix|zmq|ws):/.test(url)) {
    const { localHub } = await (await loadSockets()).parseHubUrl(url);
    return localHub === undefined ? undefined : storeFileOf(localHub.store);
  }
  if (!url.startsWith('sqlite:')) return undefined;
  return loadPackage(SQLITE, async () => (await import('@busbar/transport-sqlite')).parseSqliteUrl(url).file);
}

/** Options with which the conformance suite opens `url`, in this process and in others. */
export function harnessOptions(url: string): UrlHarnessOptions {
  const scheme = findScheme(url.slice(0, url.indexOf(':')));
  return {
    name: scheme?.names[0] ?? url,
    open: (one) => openUrl(one),
    opener: { module: import.meta.url, name: 'openUrl' },
    apart: scheme?.apart ?? 'namespace',
  };
}

/** Every short name with its meaning. */
export function describeSchemes(): (readonly [names: string, meaning: string])[] {
  return SCHEMES.map(({ names, bare }) => [names.join(', '), bare]);
}

/** A sentence that lists the valid names. */
export function validNames(): string {
  const names = SCHEMES.filter(({ composed }) => !composed)
    .map((scheme) => scheme.names[0])
    .join(', ');
  return `Use one of ${names}, a URL such as sqlite:./bus.db, or a name in busbar.config.json.`;
}

/** No hub on this machine has listened at the path of `url`, and a new one would have an empty store. */
async function isHubMissing(url: string): Promise<boolean> {
  const { localHub } = await (await loadSockets()).parseHubUrl(url);
  if (localHub === undefined || existsSync(localHub.path)) return false;
  return localHub.store.startsWith('memory:') || isMissing(localHub.store);
}

/** Loads the package behind hubs. */
export function loadSockets(): Promise<Sockets> {
  return import('@busbar/transport-socket');
}

/** The URL of the store of a hub at `url`: its `store` parameter, or a file beside the socket. */
export async function storeUrlOf(url: string): Promise<string> {
  const { localHub } = await (await loadSockets()).parseHubUrl(url);
  if (localHub !== undefined) return localHub.store;
  throw invalid(
    `the hub at ${quote(maskUrl(url))} has no store`,
    'Name one with --store sqlite:FILE or --store memory:.',
  );
}

/** Opens transports over a hub. For a path on this machine the first client starts the hub. */
async function loadHubClient(): Promise<Opener> {
  const { openSocket } = await loadSockets();
  return (url) =>
    openSocket(url, ({ store, listen, idleMs }) => ({
      command: process.execPath,
      // The store's URL goes through a pipe: `ps` must not show its password.
      args: [program(), 'hub', '--store', '-', '--listen', listen, '--idle', `${idleMs}ms`],
      input: store,
    }));
}

async function loadPackage<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (isBusbarError(error)) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND') throw error;
    // The package itself, or one of its dependencies.
    const missing = /'((?:@[^/']+\/)?[^/'.][^/']*)'/.exec(message)?.[1] ?? name;
    throw new BusbarError('UNAVAILABLE', `the package ${missing} is not installed`, {
      hint: `npm install ${missing}`,
      retryable: false,
      cause: error,
    });
  }
}

function parseWord(value: string, what: string): BusName {
  const scheme = findScheme(value.toLowerCase());
  if (scheme !== undefined) return { kind: 'scheme', scheme: value.toLowerCase() };
  if (/[/\\]|\.(db|sqlite3?)$/.test(value)) {
    const shown = maskWord(value);
    throw invalid(`${what} is a path: ${quote(shown)}`, `Write sqlite:${shown} for a SQLite file.`);
  }
  return { kind: 'word', word: value };
}

function findScheme(name: string): Scheme | undefined {
  return SCHEMES.find(({ names }) => names.includes(name));
}

function allNames(): string[] {
  return SCHEMES.flatMap(({ names }) => names);
}
