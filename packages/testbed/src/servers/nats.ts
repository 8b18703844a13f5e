// A temporary NATS server with JetStream.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { freePort } from '../free-port.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';
import { type Certificates, TEST_CERTIFICATES } from './certificates.ts';
import { requireServer } from './find-server.ts';
import { proxyFor, RealServer, type ServerParts } from './real-server.ts';
import { startOnFreePort } from './server-group.ts';

/** A user of a NATS server. */
export type NatsUser =
  | { readonly user: string; readonly password: string; readonly permissions?: unknown }
  | { readonly nkey: string; readonly permissions?: unknown };

/** Options of {@link startNats}. */
export interface NatsOptions {
  /** Further lines of the configuration. They override the defaults. */
  readonly config?: readonly string[];
  /** Required from every client. */
  readonly token?: string;
  /** Only these users are accepted, by password or by the seed of a public nkey. */
  readonly users?: readonly NatsUser[];
  /** Requires TLS. Clients need no certificate and trust {@link RealServer.certificates}. */
  readonly tls?: boolean;
  /** Puts a proxy in front of it. {@link RealServer.url} points to the proxy. */
  readonly proxy?: boolean;
  /** Default true. */
  readonly jetStream?: boolean;
}

/** A running NATS server. */
export class NatsServer extends RealServer {
  readonly #monitorPort: number;

  /** @internal use {@link startNats} */
  constructor(parts: ServerParts, monitorPort: number) {
    super(parts);
    this.#monitorPort = monitorPort;
  }

  /** Its monitoring port as a URL. */
  get monitorUrl(): string {
    return `http://127.0.0.1:${this.#monitorPort}`;
  }

  /** Reads its monitoring endpoint, for example `monitor('jsz?streams=true')`. */
  monitor<T = unknown>(path: string): Promise<T> {
    return readMonitor<T>(this.#monitorPort, path);
  }
}

/** Starts a NATS server on a free port of 127.0.0.1. Resolves when JetStream is ready. It ends with this process. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  return startOnFreePort((port) => makeNats(port, options));
}

/** @internal A NATS server that is not started yet. A cluster member is ready before the other members. */
export async function makeNats(port: number, options: NatsOptions, alone = true): Promise<NatsServer> {
  const { path: file } = requireServer('nats-server');
  const folder = tempDir('busbar-nats');
  const monitorPort = await freePort();
  const name = `testbed-${port}`;
  const certificates = options.tls ? TEST_CERTIFICATES : undefined;
  const lines = configLines({ folder, port, monitorPort, name, options, certificates });
  writeFileSync(folder.join('nats.conf'), `${lines.join('\n')}\n`, { mode: 0o600 });
  const ready = (): Promise<void> => assertServes({ name, port, monitorPort, alone });
  const command = { file, args: ['-c', folder.join('nats.conf')], ready };
  const parts = { folder, port, command, certificates, proxy: await proxyFor(port, options.proxy) };
  const credentials = options.token === undefined ? undefined : encodeURIComponent(options.token);
  return new NatsServer({ ...parts, scheme: options.tls ? 'tls' : 'nats', credentials }, monitorPort);
}

interface Configuration {
  readonly folder: TempDir;
  readonly port: number;
  readonly monitorPort: number;
  readonly name: string;
  readonly options: NatsOptions;
  readonly certificates: Certificates | undefined;
}

function configLines({ folder, port, monitorPort, name, options, certificates }: Configuration): string[] {
  const { token, users, jetStream = true, config = [] } = options;
  const authorization = { ...(token === undefined ? {} : { token }), ...(users === undefined ? {} : { users }) };
  return [
    `listen: "127.0.0.1:${port}"`,
    `http: "127.0.0.1:${monitorPort}"`,
    `server_name: ${name}`,
    ...(jetStream ? [`jetstream: { store_dir: ${JSON.stringify(folder.join('data'))} }`] : []),
    ...(token === undefined && users === undefined ? [] : [`authorization: ${JSON.stringify(authorization)}`]),
    ...(certificates ? [`tls: { cert_file: "${certificates.cert}", key_file: "${certificates.key}" }`] : []),
    ...config,
  ];
}

interface Identity {
  readonly name: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly alone: boolean;
}

/** Throws until this server accepts clients and, if it is alone, has restored its streams. */
async function assertServes({ name, port, monitorPort, alone }: Identity): Promise<void> {
  const info = await readInfo(port);
  if (info.server_name !== name) throw new Error(`port ${port} belongs to ${info.server_name}`);
  if (!alone) return;
  const { status, ...rest } = await readMonitor<{ status: string }>(monitorPort, 'healthz');
  if (status !== 'ok') throw new Error(JSON.stringify(rest));
}

/** The greeting of the server, sent before TLS starts. */
async function readInfo(port: number): Promise<{ readonly server_name: string }> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    const [greeting] = (await once(socket, 'data', { signal: AbortSignal.timeout(1_000) })) as [Buffer];
    return JSON.parse(greeting.toString().slice('INFO '.length));
  } finally {
    socket.destroy();
  }
}

async function readMonitor<T>(port: number, path: string): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${port}/${path}`, { signal: AbortSignal.timeout(5_000) });
  return (await response.json()) as T;
}
