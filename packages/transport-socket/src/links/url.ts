/** A URL such as `unix:./bus.sock?store=memory:` as options. */

import { checkInteger, invalid, quote } from '@busbar/api/transport';
import { toSocketPath } from '../local/socket-path.ts';
import { LINK_KEYS, type LinkOptions, toLinkSettings, type UnixOptions } from '../options.ts';

/** What the URL of a link says of the hub that is started where none listens. */
export interface HubWishes {
  /** The URL of its store. Default: a SQLite file beside the socket, `PATH.db`. */
  readonly store?: string;
  /** How long it stays without a client, 100 to 2^31-1. Default 30,000. */
  readonly idleMs?: number;
}

const FORM = 'Write unix:./bus.sock, unix:///absolute/path.sock or unix:path?store=memory:.';
/** What URLs of single links say beside the rest; names of files, most of them. */
export interface LinkParameters {
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly host?: string;
  readonly origin?: string;
  readonly insecure?: string;
}

/** Keys of {@link HubWishes}. */
export const HUB_KEYS: readonly string[] = ['store', 'idleMs'];
const NUMBERS = ['connectTimeoutMs', 'heartbeatMs', 'idleMs'];

/**
 * The options in a URL: `unix:` and a path, relative to the working directory or absolute, percent-encoded, with the
 * parameters ns, agent, connectTimeoutMs, heartbeatMs, and store and idleMs for a hub that is to be started.
 */
export function parseUnixUrl(url: string): UnixOptions & HubWishes {
  const [, path, query] = /^unix:([^?#]*)(?:\?([^#]*))?$/is.exec(String(url)) ?? [];
  if (path === undefined) throw invalid(`${quote(url)} is no URL of a Unix socket`, FORM);
  return {
    path: toSocketPath(toPath(path, 'unix:')),
    ...readParameters(query ?? '', [...LINK_KEYS, ...HUB_KEYS], 'unix'),
  };
}

/** The parameters in a query; throws INVALID_ARGUMENT for those that are not `allowed`, given twice, or illegal. */
export function readParameters(
  query: string,
  allowed: readonly string[],
  scheme: string,
): LinkOptions & HubWishes & LinkParameters {
  const options: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    if (!allowed.includes(name) || Object.hasOwn(options, name)) {
      throw invalid(
        `a ${scheme}: URL takes no parameter ${quote(name)} here`,
        `Use each of ${allowed.join(', ')} once at most.`,
      );
    }
    options[name] = NUMBERS.includes(name) ? toNumber(name, value) : value;
  }
  toLinkSettings(options);
  checkInteger(options['idleMs'], 'idleMs', { min: 100, max: 2_147_483_647 });
  if (options['store'] === '')
    throw invalid('store is empty', 'Give the URL of a store, such as memory: or sqlite:./bus.db.');
  return options;
}

/** The path that stands behind `scheme` in a URL. */
export function toPath(text: string, scheme: string): string {
  let path: string;
  try {
    path = decodeURIComponent(text);
  } catch {
    throw invalid(`illegal percent-encoding in ${quote(text)}`, 'Write %25 for a percent sign.');
  }
  if (path === '') throw invalid('the URL names no file', `Write ${scheme}./path or ${scheme}/absolute/path.`);
  if (!path.startsWith('//')) return path;
  if (path.startsWith('///')) return path.slice(2);
  throw invalid(
    `${quote(`${scheme}${text}`)} names a host`,
    `A path of this machine has three slashes: ${scheme}///path.`,
  );
}

function toNumber(name: string, value: string): number {
  if (/^\d{1,10}$/.test(value)) return Number(value);
  throw invalid(`the parameter ${name} is not a number: ${quote(value)}`, 'Write digits.');
}
