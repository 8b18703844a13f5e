/** One connection to a server, for as long as it lasts: it never reconnects, and nothing stays unanswered. */

import { readFileSync } from 'node:fs';
import { invalid } from '@busbar/api/transport';
import { type RedisOptions as ClientOptions, Command, Redis } from 'ioredis';
import type { Address, Settings, TlsOptions } from '../options.ts';

export type Argument = string | number | Buffer;

/** What a server said of itself when it was greeted. */
export interface Greeting {
  readonly server: string;
  readonly version: string;
  readonly mode: string;
  readonly role: string;
}

/** Who says hello. */
export interface Credentials {
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
}

interface Request {
  readonly reject: (error: Error) => void;
  readonly sentAt: number;
}

/** The connection is gone; what became of what was asked nobody knows. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
  readonly code: string | undefined;
  /** The path of a socket, or host:port. */
  readonly place: string | undefined;

  constructor(message: string, cause?: unknown, address?: Address | string) {
    super(message);
    this.place = typeof address === 'object' ? toPlace(address) : address;
    this.code = (cause as { code?: string } | undefined)?.code;
  }
}

/** One connection. The client reconnects nothing and resends nothing: that is decided above. */
export class Connection {
  readonly address: Address | string;
  readonly #client: Redis;
  readonly #silenceMs: number;
  readonly #waiting = new Set<Request>();
  #watch: NodeJS.Timeout | undefined;
  #watchAt = 0;
  #error: unknown;
  #lost: ConnectionLost | undefined;
  onLost: (error: ConnectionLost) => void = () => undefined;
  greeting: Greeting = { server: '', version: '', mode: '', role: '' };

  private constructor(address: Address | string, settings: Settings) {
    this.address = address;
    this.#silenceMs = settings.silenceMs;
    this.#client = new Redis(toClientOptions(address, settings));
    this.#client.on('error', (error: unknown) => {
      this.#error = error;
    });
    this.#client.on('end', () => this.lose('the connection was closed'));
  }

  /** Connects and says who it is. */
  static async open(address: Address | string, settings: Settings, who: Credentials): Promise<Connection> {
    const connection = new Connection(address, settings);
    const silent = setTimeout(() => connection.lose('the server does not answer'), settings.connectTimeoutMs);
    try {
      await connection.#client.connect().catch((error: unknown) => {
        throw connection.#lost ?? new ConnectionLost('no connection', connection.#error ?? error, address);
      });
      await connection.#greet(who, settings.clientName);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    } finally {
      clearTimeout(silent);
    }
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** Sends a command. Bytes come back as buffers. */
  send(name: string, args: readonly Argument[]): Promise<unknown> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      const request: Request = { reject, sentAt: performance.now() };
      this.#waiting.add(request);
      this.#guard();
      const command = new Command(name, args as Argument[], { replyEncoding: null });
      (this.#client.sendCommand(command) as Promise<unknown>).then(
        (reply) => {
          if (this.#waiting.delete(request)) resolve(reply);
        },
        (error: Error) => {
          if (this.#waiting.delete(request)) reject(error);
        },
      );
    });
  }

  /** What is sent by `work` leaves in one piece. */
  together(work: () => void): void {
    const { stream } = this.#client;
    stream?.cork();
    try {
      work();
    } finally {
      stream?.uncork();
    }
  }

  /** Calls `listener` with what is published on the channels that this connection subscribed to. */
  onMessage(listener: (channel: string, message: Buffer) => void): void {
    this.#client.on('smessageBuffer', (channel: Buffer, message: Buffer) => listener(channel.toString(), message));
  }

  /** Gives the connection up: whoever waits for an answer learns of it at once, whatever the socket does. */
  lose(why: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = new ConnectionLost(why, this.#error, this.address);
    clearTimeout(this.#watch);
    this.#client.disconnect();
    this.#client.stream?.destroy();
    const { onLost } = this;
    onLost(this.#lost);
    for (const request of this.#waiting) request.reject(this.#lost);
    this.#waiting.clear();
  }

  /** Ends it. */
  close(): void {
    this.onLost = () => undefined;
    this.lose('the connection was closed');
  }

  /** Looks now and then whether an answer is overdue. */
  #guard(): void {
    if (this.#watch !== undefined) return;
    const ms = this.#silenceMs / 4;
    this.#watchAt = performance.now() + ms;
    this.#watch = setTimeout(() => this.#look(), ms);
    this.#watch.unref();
  }

  #look(): void {
    this.#watch = undefined;
    const [oldest] = this.#waiting;
    if (oldest === undefined || this.#lost !== undefined) return;
    const now = performance.now();
    // Who comes late himself, since this process stood still, has not seen yet what came meanwhile.
    const isLate = now - this.#watchAt > this.#silenceMs / 4;
    if (!isLate && now - oldest.sentAt > this.#silenceMs) this.lose('the server owes an answer for too long');
    else this.#guard();
  }

  /** HELLO needs no permission, and says what the server is. */
  async #greet({ user, password, database }: Credentials, clientName: string): Promise<void> {
    const login = password === undefined ? [] : ['AUTH', user ?? 'default', password];
    const reply = (await this.send('HELLO', ['2', ...login, 'SETNAME', clientName])) as unknown[];
    const said = new Map<string, string>();
    for (let index = 0; index + 1 < reply.length; index += 2) said.set(String(reply[index]), String(reply[index + 1]));
    const { server = '', version = '', mode = '', role = '' } = Object.fromEntries(said);
    this.greeting = { server, version, mode, role };
    if (database !== 0) await this.send('SELECT', [database]);
  }
}

function toClientOptions(
  address: Address | string,
  { tls, connectTimeoutMs }: Settings,
): Omit<ClientOptions, 'replyMapping'> {
  return {
    ...(typeof address === 'string' ? { path: address } : { host: address.host, port: address.port }),
    ...(tls && { tls: readTls(tls, address) }),
    lazyConnect: true,
    protocol: 2,
    retryStrategy: () => null,
    maxRetriesPerRequest: null,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    disableClientInfo: true,
    connectTimeout: connectTimeoutMs,
    noDelay: true,
  };
}

function readTls({ ca, cert, key, serverName }: TlsOptions, address: Address | string): object {
  const read = (file: string, what: string): Buffer => {
    try {
      return readFileSync(file);
    } catch {
      throw invalid(`the file of ${what} cannot be read`, `Name a file of PEM that this user may read: tls.${what}.`);
    }
  };
  const host = typeof address === 'string' ? undefined : address.host;
  const name = serverName ?? (host !== undefined && !/^[\d.]+$|:/.test(host) ? host : undefined);
  return {
    ...(ca !== undefined && { ca: read(ca, 'ca') }),
    ...(cert !== undefined && { cert: read(cert, 'cert') }),
    ...(key !== undefined && { key: read(key, 'key') }),
    ...(name !== undefined && { servername: name }),
  };
}

function toPlace({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
