// A real NATS server with JetStream, to throw away.
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

/** How to start a NATS server. */
export interface NatsOptions {
  /** Further lines of the configuration; they win. */
  readonly config?: readonly string[];
  /** Everybody must give it. */
  readonly token?: string;
  /** Only they get in: with a password, or with the seed of a public nkey. */
  readonly users?: readonly NatsUser[];
  /** Demands TLS. Clients need no certificate; {@link RealServer.certificates} has what they trust. */
  readonly tls?: boolean;
  /** Puts a proxy before it; {@link RealServer.url} leads through it. */
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

  /** What its monitoring says, such as `monitor('jsz?streams=true')`. */
  monitor<T = unknown>(path: string): Promise<T> {
    return readMonitor<T>(this.#monitorPort, path);
  }
}

/** Starts a NATS server on a free port of 127.0.0.1; resolves once JetStream serves. It dies with this process. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  return startOnFreePort((port) => makeNats(port, options));
}

/** @internal A NATS server that is not started yet. One of a cluster serves before the others are there. */
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

/** Throws until this very server takes clients and, where it is alone, has read back its streams. */
async function assertServes({ name, port, monitorPort, alone }: Identity): Promise<void> {
  const info = await readInfo(port);
  if (info.server_name !== name) throw new Error(`port ${port} belongs to ${info.server_name}`);
  if (!alone) return;
  const { status, ...rest } = await readMonitor<{ status: string }>(monitorPort, 'healthz');
  if (status !== 'ok') throw new Error(JSON.stringify(rest));
}

/** The greeting of the server, which comes before any TLS. */
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
