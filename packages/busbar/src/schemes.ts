/** Schemes and short names of URLs, with the package behind each: the only importer of transports. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BusbarError, didYouMean, invalid, missingPackage, quote, type Transport } from '@busbar/api/transport';
import type { HybridParts, MigrateParts } from '@busbar/compose';
import type { UrlHarnessOptions } from '@busbar/conformance';
import type { SurveyedNamespace } from '@busbar/transport-sqlite';
import { checkControlCharacters, checkSetting, maskBusUrl, withParameter } from './bus-url.ts';
import { parseComposedUrl } from './composed-url.ts';
import type { HubCommand } from './hub-command.ts';

type Sockets = typeof import('@busbar/transport-socket');
type Sqlite = typeof import('@busbar/transport-sqlite');
type Compose = typeof import('@busbar/compose');

/** How to open the transport of a URL. */
export interface OpenOptions {
  /** How long to wait for a server that cannot be reached. Default: as the URL says. */
  readonly waitForServerMs?: number | undefined;
  /** The time-out of calls without one. Default: as the URL says. */
  readonly callTimeoutMs?: number | undefined;
  /** The program of a hub that is started, false for none. Default: the command of this package. */
  readonly hub?: HubCommand | false | undefined;
}

/** Opens a transport at a URL. */
type Opener = (url: string, options: OpenOptions) => Promise<Transport>;

interface Scheme {
  /** URL schemes; the first one is the short name. */
  readonly names: readonly string[];
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
    bare: 'this process only',
    serverless: true,
    load: async () => {
      const { openMemory, parseMemoryUrl } = await import('@busbar/transport-memory');
      return (url) => openMemory(parseMemoryUrl(url));
    },
  },
  {
    names: ['sqlite'],
    bare: "a file in the project's .busbar folder",
    apart: 'file',
    serverless: true,
    load: async () => {
      const { openSqlite, parseSqliteUrl } = await loadSqlite();
      return (url) => openSqlite(parseSqliteUrl(url));
    },
    isMissing: async (url) => {
      const { parseSqliteUrl } = await loadSqlite();
      return !existsSync(parseSqliteUrl(url).file);
    },
  },
  {
    names: ['redis', 'rediss'],
    bare: 'Redis on this machine, at 127.0.0.1:6379',
    opensLate: true,
    load: async () => {
      const { openRedis, parseRedisUrl } = await import('@busbar/transport-redis').catch(
        missingPackage('@busbar/transport-redis'),
      );
      return (url) => openRedis(parseRedisUrl(url));
    },
  },
  {
    names: ['nats', 'tls'],
    bare: 'NATS on this machine, at 127.0.0.1:4222',
    load: async () => {
      const { openNats, parseNatsUrl } = await import('@busbar/transport-nats').catch(
        missingPackage('@busbar/transport-nats'),
      );
      return (url) => openNats(parseNatsUrl(url));
    },
  },
  hubScheme(['unix'], "a socket in the project's .busbar folder"),
  hubScheme(['zmq', 'zeromq'], "ZeroMQ in the project's .busbar folder"),
  hubScheme(['ws', 'websocket', 'wss'], 'WebSocket on this machine'),
  {
    names: ['migrate'],
    bare: 'a bus that may move: migrate:?from=sqlite&to=redis',
    composed: true,
    load: async () => {
      const { openMigrate } = await loadCompose();
      return (url, options) => {
        const { callTimeoutMs } = parseComposedUrl(url);
        return openMigrate(migrateParts(url, options), { callTimeoutMs });
      };
    },
    isMissing: async (url) => {
      const { part } = parseComposedUrl(url);
      return (await isMissing(part('from'))) && (await isMissing(part('to')));
    },
  },
  {
    names: ['hybrid'],
    bare: 'a fast bus and a durable one: hybrid:?fast=redis&durable=sqlite',
    composed: true,
    load: async () => {
      const { openHybrid, parseHybridQuery } = await loadCompose();
      return (url, options) => openHybrid(hybridParts(url, options), parseHybridQuery(parseComposedUrl(url).options));
    },
    isMissing: (url) => isMissing(parseComposedUrl(url).part('durable')),
  },
  {
    names: ['audit'],
    bare: 'a bus with a log of its messages: audit:?of=redis',
    composed: true,
    load: async () => {
      const { openAudit, parseAuditOptions } = await loadCompose();
      return (url, options) => openAudit(auditParts(url, options), parseAuditOptions(parseComposedUrl(url).options));
    },
    isMissing: (url) => isMissing(parseComposedUrl(url).part('of')),
  },
];

/** The two buses of a `migrate:` URL. */
export function migrateParts(url: string, options: OpenOptions = {}): MigrateParts {
  return { from: partAt(url, 'from', options), to: partAt(url, 'to', options) };
}

/** The two buses of a `hybrid:` URL. */
function hybridParts(url: string, options: OpenOptions): HybridParts {
  const fast = partAt(url, 'fast', options);
  const opensLate = findScheme(parseComposedUrl(url).part('fast').replace(/:.*$/s, ''))?.opensLate === true;
  return { fast: { ...fast, opensLate }, durable: partAt(url, 'durable', options) };
}

/** The bus and the log of an `audit:` URL. A log that is away does not delay the bus. */
export function auditParts(url: string, options: OpenOptions = {}): { readonly of: PartBus; readonly log: PartBus } {
  const log = partAt(url, 'log', options);
  const open = (): Promise<Transport> => openUrl(log.url, { hub: options.hub });
  return { of: partAt(url, 'of', options), log: { ...log, open } };
}

/** A part of a composed bus. */
interface PartBus {
  /** Its URL without secrets. */
  readonly name: string;
  readonly url: string;
  open(): Promise<Transport>;
}

/** One of the buses of a composed URL. */
function partAt(url: string, name: string, { hub }: OpenOptions): PartBus {
  const { part, waitForServerMs, callTimeoutMs } = parseComposedUrl(url);
  const inner = part(name);
  return { name: maskBusUrl(inner), url: inner, open: () => openUrl(inner, { waitForServerMs, callTimeoutMs, hub }) };
}

function hubScheme(names: readonly string[], bare: string): Scheme {
  return { names, bare, load: loadHubClient, isMissing: isHubMissing };
}

/** The command of this package. A bundle does not contain it, and in CommonJS does not know where it is itself. */
function ownCommand(): Required<HubCommand> {
  const { url } = import.meta;
  const file = url ? fileURLToPath(new URL('../bin/busbar.js', url)) : '';
  if (existsSync(file)) return { command: process.execPath, args: [file] };
  throw new BusbarError('UNSUPPORTED', 'a bundle does not contain the program of a hub', {
    hint: "Name it: connect(url, { hub: { command: 'busbar' } }). Or start a hub with `busbar hub`.",
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
    `${what} names an unknown bus: ${quote(maskBusUrl(word))}`,
    `${didYouMean(word, [...allNames(), ...configured])}${validNames()}${names}`,
  );
}

/** True for the name of a scheme; a bus in a config file cannot have that name. */
export function isSchemeName(name: string): boolean {
  return findScheme(name.toLowerCase()) !== undefined;
}

/** Opens the transport that `url` names. The options count more than the same parameters of the URL. */
export async function openUrl(url: string, options: OpenOptions = {}): Promise<Transport> {
  const name = url.slice(0, Math.max(0, url.indexOf(':')));
  const scheme = findScheme(name);
  if (scheme === undefined) throw unknownBus(url, 'the URL', []);
  const { waitForServerMs, callTimeoutMs } = options;
  const open = await scheme.load();
  const given = { waitForServerMs: scheme.serverless ? undefined : waitForServerMs, callTimeoutMs };
  let complete = url;
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) complete = withParameter(complete, name, String(value));
  }
  return open(complete, options);
}

/** Whether the bus at `url` is in files that do not exist yet. */
export async function isMissing(url: string): Promise<boolean> {
  const scheme = findScheme(url.slice(0, Math.max(0, url.indexOf(':'))));
  return scheme?.isMissing === undefined ? false : scheme.isMissing(url);
}

/** The messages in a SQLite store, without using it: by namespace; undefined if the file is none. */
export async function surveyFile(file: string): Promise<readonly SurveyedNamespace[] | undefined> {
  return (await loadSqlite()).surveySqlite(file);
}

/** The file of the SQLite store behind `url`: its own, or that which its hub on this machine lends. Undefined for others. */
export async function storeFileOf(url: string): Promise<string | undefined> {
  if (/^(?:unix|zmq|ws):/.test(url)) {
    const { localHub } = await (await loadSockets()).parseHubUrl(url);
    return localHub === undefined ? undefined : storeFileOf(localHub.store);
  }
  if (!url.startsWith('sqlite:')) return undefined;
  return (await loadSqlite()).parseSqliteUrl(url).file;
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
  return import('@busbar/transport-socket').catch(missingPackage('@busbar/transport-socket'));
}

function loadSqlite(): Promise<Sqlite> {
  return import('@busbar/transport-sqlite').catch(missingPackage('@busbar/transport-sqlite'));
}

function loadCompose(): Promise<Compose> {
  return import('@busbar/compose').catch(missingPackage('@busbar/compose'));
}

/** The URL of the store of a hub at `url`: its `store` parameter, or a file beside the socket. */
export async function storeUrlOf(url: string): Promise<string> {
  const { localHub } = await (await loadSockets()).parseHubUrl(url);
  if (localHub !== undefined) return localHub.store;
  throw invalid(
    `the hub at ${quote(maskBusUrl(url))} has no store`,
    'Name one with --store sqlite:FILE or --store memory:.',
  );
}

/** Opens transports over a hub. For a path on this machine the first client starts the hub. */
async function loadHubClient(): Promise<Opener> {
  const { openSocket } = await loadSockets();
  return (url, { hub }) => {
    if (hub === false) return openSocket(url);
    return openSocket(url, ({ store, listen, idleMs }) => {
      const { command, args = [] } = hub ?? ownCommand();
      // The store's URL goes through a pipe: `ps` must not show its password.
      return {
        command,
        args: [...args, 'hub', '--store', '-', '--listen', listen, '--idle', `${idleMs}ms`],
        input: store,
      };
    });
  };
}

function parseWord(value: string, what: string): BusName {
  const scheme = findScheme(value.toLowerCase());
  if (scheme !== undefined) return { kind: 'scheme', scheme: value.toLowerCase() };
  if (/[/\\]|\.(db|sqlite3?)$/.test(value)) {
    const shown = maskBusUrl(value);
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
