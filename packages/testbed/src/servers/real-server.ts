// Control of a real server of any kind.
import { type FaultProxy, openProxy } from '../proxy/proxy.ts';
import type { TempDir } from '../temp-dir.ts';
import type { Certificates } from './certificates.ts';
import { type ServerCommand, ServerProcess } from './server-process.ts';

/** Parts of a server. */
export interface ServerParts {
  readonly folder: TempDir;
  readonly port: number;
  readonly command: Omit<ServerCommand, 'folder'>;
  /** For example `redis`. */
  readonly scheme: string;
  readonly credentials?: string | undefined;
  readonly certificates?: Certificates | undefined;
  /** A proxy in front of it. {@link RealServer.url} points to the proxy. */
  readonly proxy?: FaultProxy | undefined;
}

/** A server on a port of 127.0.0.1 with temporary data. Disposing kills it and removes the data. */
export class RealServer extends ServerProcess implements AsyncDisposable {
  /** Its own port, without the proxy. */
  readonly port: number;
  /** Its TLS files, if TLS is on. */
  readonly certificates: Certificates | undefined;
  readonly #parts: ServerParts;

  /** @internal */
  constructor(parts: ServerParts) {
    super({ ...parts.command, folder: parts.folder.path });
    this.#parts = parts;
    this.port = parts.port;
    this.certificates = parts.certificates;
  }

  /** The URL for clients, through the proxy if there is one. Contains the password or token of the options. */
  get url(): string {
    return this.urlAs(this.#parts.credentials);
  }

  /** The URL with other credentials: `user:password`, a token, or none. */
  urlAs(credentials?: string): string {
    const { scheme, proxy, port } = this.#parts;
    return `${scheme}://${credentials === undefined ? '' : `${credentials}@`}127.0.0.1:${proxy?.port ?? port}`;
  }

  /** Folder of its data, configuration and log. */
  get folder(): string {
    return this.#parts.folder.path;
  }

  /** The proxy between it and its clients; throws where it was started without. */
  get network(): FaultProxy {
    if (this.#parts.proxy) return this.#parts.proxy;
    throw new TypeError('this server was started without { proxy: true }');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#parts.proxy?.[Symbol.asyncDispose]();
    await this.#parts.folder[Symbol.asyncDispose]();
  }
}

/** A proxy before the port, where one is wanted. */
export async function proxyFor(port: number, wanted = false): Promise<FaultProxy | undefined> {
  return wanted ? openProxy({ target: { host: '127.0.0.1', port } }) : undefined;
}
