// A temporary Redis server.
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { type TempDir, tempDir } from '../temp-dir.ts';
import { type Certificates, TEST_CERTIFICATES } from './certificates.ts';
import { requireServer } from './find-server.ts';
import { proxyFor, RealServer, type ServerParts } from './real-server.ts';
import { callRedis, type RedisReply } from './redis-call.ts';
import { startOnFreePort } from './server-group.ts';

/** Options of {@link startRedis}. */
export interface RedisOptions {
  /** Further lines of `redis.conf`. They override the defaults: `appendonly yes`, `appendfsync always`, no snapshots. */
  readonly config?: readonly string[];
  /** Required from every client (`requirepass`). */
  readonly password?: string;
  /** ACL users, for example `agent on >secret ~* &* +@all`. Without a user `default` every client needs a name. */
  readonly users?: readonly string[];
  /** Accepts TLS only. Clients need no certificate and trust {@link RealServer.certificates}. */
  readonly tls?: boolean;
  /** Puts a proxy in front of it. {@link RealServer.url} points to the proxy. */
  readonly proxy?: boolean;
}

/** A running Redis. */
export class RedisServer extends RealServer {
  readonly #call: (command: readonly string[]) => Promise<RedisReply>;

  /** @internal use {@link startRedis} */
  constructor(parts: ServerParts, call: (command: readonly string[]) => Promise<RedisReply>) {
    super(parts);
    this.#call = call;
  }

  /** Sends one command as administrator, bypassing proxy, TLS and passwords: `call('CONFIG', 'SET', …)`. */
  call(...command: readonly string[]): Promise<RedisReply> {
    return this.#call(command);
  }
}

/** Starts a Redis on a free port of 127.0.0.1. Resolves when it is ready. It never outlives this process. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  return startOnFreePort((port) => makeRedis(port, options));
}

/** @internal A Redis that is not started yet, with further program arguments. */
export async function makeRedis(
  port: number,
  options: RedisOptions,
  args: readonly string[] = [],
): Promise<RedisServer> {
  const { password, users, tls = false, proxy = false } = options;
  const { path: file } = requireServer('redis-server');
  const folder = tempDir('busbar-redis');
  const certificates = tls ? TEST_CERTIFICATES : undefined;
  const administrator = password !== undefined || users !== undefined ? randomUUID() : undefined;
  const socket = folder.join('admin.sock');
  const login = administrator === undefined ? [] : [['AUTH', 'testbed', administrator]];
  const call = (command: readonly string[]): Promise<RedisReply> => callRedis(socket, ...login, command);
  mkdirSync(folder.join('data'));
  const lines = configLines({ folder, port, socket, options, certificates, administrator });
  writeFileSync(folder.join('redis.conf'), `${lines.join('\n')}\n`, { mode: 0o600 });
  const command = { file, args: [folder.join('redis.conf'), ...args], ready: async () => void (await call(['PING'])) };
  const parts = { folder, port, command, certificates, proxy: await proxyFor(port, proxy) };
  const credentials = password === undefined ? undefined : `:${encodeURIComponent(password)}`;
  return new RedisServer({ ...parts, scheme: tls ? 'rediss' : 'redis', credentials }, call);
}

interface Configuration {
  readonly folder: TempDir;
  readonly port: number;
  readonly socket: string;
  readonly options: RedisOptions;
  readonly certificates: Certificates | undefined;
  readonly administrator: string | undefined;
}

function configLines({ folder, port, socket, options, certificates, administrator }: Configuration): string[] {
  const { password, users, config = [] } = options;
  return [
    'bind 127.0.0.1',
    ...(certificates ? tlsLines(port, certificates) : [`port ${port}`]),
    `unixsocket ${socket}`,
    'unixsocketperm 700',
    `dir ${folder.join('data')}`,
    'save ""',
    'appendonly yes',
    'appendfsync always',
    ...(password === undefined
      ? []
      : [`requirepass ${JSON.stringify(password)}`, `masterauth ${JSON.stringify(password)}`]),
    ...(users === undefined || users.some((user) => user.startsWith('default ')) ? [] : ['user default off']),
    ...(users ?? []).map((user) => `user ${user}`),
    ...(administrator === undefined ? [] : [`user testbed on >${administrator} ~* &* +@all`]),
    ...config,
  ];
}

function tlsLines(port: number, { ca, cert, key }: Certificates): string[] {
  return [
    'port 0',
    `tls-port ${port}`,
    `tls-cert-file ${cert}`,
    `tls-key-file ${key}`,
    `tls-ca-cert-file ${ca}`,
    'tls-auth-clients optional',
  ];
}
