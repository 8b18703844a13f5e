/** URLs of servers: `scheme://[login@]host[:port][,host…][/path][?parameters]`, with one scheme without TLS and one with it. */

import { invalid } from '../../contract/errors.ts';
import type { TlsOptions } from './option-kinds.ts';
import { decodeUrlPart, type OptionTable } from './option-table.ts';

/** Where a server listens. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** The options of a transport over servers. */
export interface ServerOptions {
  readonly servers?: readonly string[] | undefined;
  readonly tls?: TlsOptions | undefined;
}

/** The URLs of one transport. */
export interface ServerUrlForm<Options> {
  readonly plain: string;
  readonly secure: string;
  /** The hint of an error: how to write a URL. */
  readonly form: string;
  readonly table: OptionTable<Options, object>;
}

/** A URL, taken apart. */
export interface ServerUrl<Options> {
  /** What stands before the `@`, with its percent-escapes: it may be secret. */
  readonly login: string | undefined;
  readonly path: string | undefined;
  /** The servers, TLS and the parameters. */
  readonly options: Partial<Options>;
}

const SERVER = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:@/?#[\]]+))(?::(\d{1,5}))?$/;
const URL_PARTS = /^([a-z]+):(?:\/\/(?:([^/?#]*)@)?([^/?#@]*))?(?:\/([^?#]*))?(?:\?([^#]*))?$/i;

/** Takes `url` apart and reads its parameters. Throws INVALID_ARGUMENT; no error shows a part that may be secret. */
export function readServerUrl<Options extends ServerOptions>(
  url: string,
  { plain, secure, form, table }: ServerUrlForm<Options>,
): ServerUrl<Options> {
  const [, scheme = '', login, hosts, path, query = ''] = (typeof url === 'string' && URL_PARTS.exec(url)) || [];
  const isSecure = scheme.toLowerCase() === secure;
  if (!isSecure && scheme.toLowerCase() !== plain) throw invalid(`this is not a ${plain}: URL`, form);
  checkLogin(login, hosts, path, query);
  const parameters = table.readQuery(query);
  const { tls } = parameters;
  if (tls !== undefined && !isSecure) {
    throw invalid(`${Object.keys(tls).join(', ')} needs TLS`, `Write ${secure}:// for a connection by TLS.`);
  }
  const options = {
    ...parameters,
    ...(isSecure && { tls: { ...tls } }),
    ...(hosts && { servers: hosts.split(',').map((host) => decodeUrlPart(host, 'the host')) }),
  };
  return { login: login || undefined, path: path || undefined, options: options };
}

/** Throws unless the login ends where it seems to end: an unescaped / ? # or : of a password would be taken for another part. */
function checkLogin(login: string | undefined, hosts = '', path = '', query = ''): void {
  const isBroken = path.includes('@') || (login === undefined && query.includes('@'));
  if (!isBroken && (hosts === '' || hosts.split(',').every((host) => SERVER.test(host) || host.includes('%')))) return;
  throw invalid(
    'the URL has an illegal host, or unescaped characters in the password',
    'Write host or host:port. In user and password write % as %25, / as %2F, ? as %3F, # as %23, @ as %40.',
  );
}

/** The address in `host:port`, `host`, `[::1]:port` or `[::1]`. */
export function parseServerAddress(server: unknown, defaultPort: number): ServerAddress {
  const [, six, name, digits] = (typeof server === 'string' && SERVER.exec(server)) || [];
  const host = six ?? name;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (host !== undefined && host.length <= 255 && port >= 1 && port <= 65_535) return Object.freeze({ host, port });
  // It is not shown: it may be a URL with a password.
  throw invalid(
    'the address of a server is illegal',
    `Write host:port, such as 127.0.0.1:${defaultPort} or [::1]:${defaultPort}.`,
  );
}
