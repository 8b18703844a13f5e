/** Options of the socket transport. Checks, URLs and the README's table come from one table. */

import { type CompleteOptions, defineOptions, type OptionTable, option } from '@busbar/api/driver';
import { checkOptions, invalid } from '@busbar/api/transport';
import type { HubProgram } from './local/start-hub.ts';

/** Options of every client. */
export interface LinkOptions {
  /** Isolates whole buses at one hub. 1 to 64 characters `A-Z a-z 0-9 _ - @ / : + ~ .`. Default: the unnamed one. */
  readonly ns?: string | undefined;
  /** The only agent that this client acts for: the hub refuses messages `from` another. Default: any. */
  readonly agent?: string | undefined;
  /** How long connecting to a hub that answers, or starting one, may take. 100 to 600,000. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long opening waits for a hub that cannot be reached, Infinity for no limit. Default 0: it fails at once. */
  readonly waitForServerMs?: number | undefined;
  /** The time-out of each call to the store that has none of its own, 100 to 2^31-1, Infinity for no limit. Default 30,000. */
  readonly callTimeoutMs?: number | undefined;
  /** After this silence a ping is sent; after three times as long the connection is dropped. 100 to 60,000. Default 3,000. */
  readonly heartbeatMs?: number | undefined;
}

/** Options of a hub that its first client starts. */
export interface HubSpawnOptions {
  /** The URL of its store. Default: the SQLite file `PATH.db`, without `.sock`, `.zmq` or `.ws` at the end of PATH. */
  readonly store?: string | undefined;
  /** How long it stays without a client. 100 to 2^31-1. Default 30,000. */
  readonly idleMs?: number | undefined;
}

/** How to open a transport over a hub on a Unix socket. */
export interface UnixOptions extends LinkOptions {
  /** The socket: at most 103 bytes as an absolute path. */
  readonly path: string;
  /** The program that starts a hub if none listens. Default: none, and opening rejects with UNAVAILABLE. */
  readonly start?: HubProgram | undefined;
}

/** All options that the URL of a hub can have. Each kind of URL takes some of them. */
export interface UrlOptions extends LinkOptions, HubSpawnOptions {
  readonly tokenFile?: string | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly insecure?: boolean | undefined;
}

/** URL options, complete. */
export type UrlSettings = CompleteOptions<
  UrlOptions,
  'agent' | 'store' | 'tokenFile' | 'ca' | 'cert' | 'key' | 'host' | 'origin'
>;

/** Link options, complete. */
export type LinkSettings = Pick<UrlSettings, keyof LinkOptions>;

const OF_STORE = 'It is an option of the store. Set it in the URL of the store, such as store=sqlite:./bus.db?….';
/** Options of other backends, which a hub cannot set for one client. */
const REFUSED: Readonly<Record<string, string>> = {
  retention: OF_STORE,
  topicDedupeMs: OF_STORE,
  durability: OF_STORE,
  maxLength: OF_STORE,
  maxBodyBytes: OF_STORE,
  tls: 'Use a wss: URL with the parameter ca.',
};

/** Parameters of every client's URL. */
const LINK_PARAMETERS = ['ns', 'agent', 'connectTimeoutMs', 'waitForServerMs', 'callTimeoutMs', 'heartbeatMs'];
/** Parameters of URLs with a path: `unix:PATH`, `ws:PATH` and `zmq:ipc://PATH`. */
export const PATH_PARAMETERS: readonly string[] = [...LINK_PARAMETERS, 'store', 'idleMs'];
/** Parameters of URLs with a port, for clients. */
export const ADDRESS_PARAMETERS: readonly string[] = [...LINK_PARAMETERS, 'tokenFile', 'ca'];
/** Parameters of URLs with a port, for a hub. */
export const LISTEN_PARAMETERS: readonly string[] = [
  ...ADDRESS_PARAMETERS,
  'cert',
  'key',
  'host',
  'origin',
  'insecure',
];

export const OPTIONS: OptionTable<UrlOptions, UrlSettings> = defineOptions({
  transport: 'hub',
  scheme: 'hub',
  options: {
    ns: option.ns('at one hub'),
    agent: option.text({
      meaning: 'the only agent that this client acts for: the hub refuses messages `from` another',
      default: undefined,
      shown: 'any',
      max: 255,
    }),
    connectTimeoutMs: option.connectTimeoutMs('how long connecting to a hub that answers, or starting one, may take'),
    waitForServerMs: option.waitForServerMs(),
    callTimeoutMs: option.callTimeoutMs(),
    heartbeatMs: option.duration({
      meaning: 'silence after which a ping is sent; three times as long ends the connection; 100 ms to 60 s',
      default: 3_000,
      min: 100,
      max: 60_000,
    }),
    store: option.text({
      meaning: 'with a path: the store of a hub that is started here, percent-encoded, such as `memory:`',
      default: undefined,
      shown: '`sqlite:bus.db` for the path `bus.sock`',
      max: 4096,
    }),
    idleMs: option.duration({
      meaning: 'with a path: how long such a hub stays without a client; 100 ms or more',
      default: 30_000,
      min: 100,
      max: 2_147_483_647,
    }),
    tokenFile: option.file('with a port: the file (0600) with the token of this client'),
    ca: option.file('with `wss:`: the certificate authority of the hub, as PEM'),
    cert: option.file('to listen at `wss:`: the certificate of the hub, as PEM'),
    key: option.file('to listen at `wss:`: the key of the certificate, as PEM'),
    host: option.file('to listen for WebSockets: further host names of the hub, separated by commas'),
    origin: option.file('to listen for WebSockets: web pages that may connect, separated by commas'),
    insecure: option.flag({
      meaning: 'to listen at `ws:` beyond this machine without TLS: others on the network can read the traffic',
      default: false,
    }),
  },
  refused: REFUSED,
});

/** The parameters in a query. Throws INVALID_ARGUMENT for one that is not `allowed`, repeated or illegal. */
export function readParameters(query: string, allowed: readonly string[], scheme: string): UrlOptions {
  const options = OPTIONS.readQuery(query, scheme, allowed);
  OPTIONS.complete(options);
  return options;
}

/** Checks the options of {@link openUnix} and returns them complete. */
export function completeUnixOptions(options: UnixOptions): LinkSettings {
  if (typeof options !== 'object' || options === null) {
    throw invalid('openUnix needs options', "Give at least the path: openUnix({ path: './bus.sock' }).");
  }
  const { path: _, start: __, ...link } = options;
  const settings = OPTIONS.complete(link);
  checkOptions(link, LINK_PARAMETERS, 'unix options');
  return settings;
}
