/** The connection to the server, which reconnects by itself. */

import { setTimeout as sleep } from 'node:timers/promises';
import { readTrustedFile } from '@busbar/api/driver';
import { type BusbarError, invalid, type StateChange } from '@busbar/api/transport';
import {
  type Authenticator,
  connect,
  createInbox,
  credsAuthenticator,
  type NatsConnection,
  type NodeConnectionOptions,
  nkeyAuthenticator,
  nkeys,
  PermissionViolationError,
  type PublishOptions,
  RequestError,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node';
import { toConnectError, toNatsError, toPublishError, unavailable, type Violation } from '../errors.ts';
import type { Settings } from '../options.ts';
import { socketOf, unrefClient } from './client-internals.ts';
import { Liveness } from './liveness.ts';
import { ReconnectPace } from './reconnect-pace.ts';

/** The client sends no pings of its own: it would also send them beside messages. */
const NO_PING_MS = 2 ** 31 - 1;
/** The pause before a flush that was interrupted is repeated. */
const REPEAT_MS = 100;

interface Outgoing {
  readonly subject: string;
  readonly data: Uint8Array | string;
  readonly options: PublishOptions | undefined;
  readonly onError: ((error: BusbarError) => void) | undefined;
}

/** The connection of one transport. */
export class Connection {
  readonly client: NatsConnection;
  /** Whether the connection is open. */
  isUp = true;
  readonly #listeners = new Set<(change: StateChange) => void>();
  readonly #back = new Set<() => void>();
  readonly #denied = new Set<(violation: Violation) => void>();
  readonly #inboxPrefix: string;
  readonly #closing = new Set<() => void>();
  readonly #liveness: Liveness;
  #outgoing: Outgoing[] = [];

  private constructor(connection: NatsConnection, inboxPrefix: string) {
    this.client = connection;
    this.#inboxPrefix = inboxPrefix;
    this.#liveness = new Liveness(connection, () => socketOf(connection));
    this.#begin();
    void this.#watch();
  }

  /** Connects, or rejects with the error as a BusbarError. */
  static async open(settings: Settings): Promise<Connection> {
    const pace = new ReconnectPace();
    try {
      const client = await connect({ ...toConnectOptions(settings), ...pace.options });
      pace.begin(client);
      return new Connection(client, settings.inboxPrefix);
    } catch (error) {
      throw toConnectError(error);
    }
  }

  /** Whether the server is one of a cluster, whose replicas may be behind each other. */
  get isClustered(): boolean {
    return this.client.info?.cluster !== undefined;
  }

  /** Calls `listener` on each loss and each reconnect. */
  onState(listener: (change: StateChange) => void): void {
    this.#listeners.add(listener);
  }

  /** Calls `act` on each reconnect, before the state listeners. */
  onBack(act: () => void): void {
    this.#back.add(act);
  }

  offBack(act: () => void): void {
    this.#back.delete(act);
  }

  /** Calls `act` before the connection closes. */
  onClose(act: () => void): void {
    this.#closing.add(act);
  }

  /** A subject of its own for replies. */
  newInbox(): string {
    return createInbox(this.#inboxPrefix);
  }

  /** Calls `act` with each thing that the server does not permit this client. */
  onDenied(act: (violation: Violation) => void): void {
    this.#denied.add(act);
  }

  /** Resolves when the connection is open. Never after {@link close}. */
  whenUp(): Promise<void> {
    if (this.isUp) return Promise.resolve();
    return new Promise((resolve) => {
      const act = (): void => {
        this.#back.delete(act);
        resolve();
      };
      this.#back.add(act);
    });
  }

  /** Publishes at the end of this turn. The messages of a turn keep their order and share a write to the socket. */
  publish(subject: string, data: Uint8Array | string, options?: PublishOptions, onError?: Outgoing['onError']): void {
    if (this.#outgoing.push({ subject, data, options, onError }) === 1) setImmediate(() => this.writeOut());
  }

  /** Resolves when the server has what was sent before, subscriptions included. After a reconnect it asks again. */
  async flush(): Promise<void> {
    for (;;) {
      await this.whenUp();
      try {
        return await this.client.flush();
      } catch (error) {
        if (!(error instanceof RequestError)) throw toNatsError(error);
        // The connection was lost, and this transport is about to learn it.
        await sleep(REPEAT_MS);
      }
    }
  }

  async close(): Promise<void> {
    for (const act of this.#closing) act();
    this.writeOut();
    this.isUp = false;
    this.#liveness.end();
    await this.client.close();
  }

  /** Publishes what was collected now. After the next microtasks it is written to the socket. */
  writeOut(): void {
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    for (const { subject, data, options, onError } of outgoing) {
      if (this.client.isClosed()) return;
      try {
        this.client.publish(subject, data, options);
      } catch (error) {
        onError?.(toPublishError(error));
      }
    }
  }

  /** The connection is new. */
  #begin(): void {
    unrefClient(this.client);
    this.#liveness.begin();
  }

  #announce(change: StateChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  async #watch(): Promise<void> {
    for await (const status of this.client.status()) {
      const { type } = status;
      if (type === 'reconnect') this.#begin();
      if (type === 'disconnect') this.#liveness.end();
      const error = type === 'error' ? status.error : undefined;
      if (type === 'disconnect' && this.isUp) {
        this.isUp = false;
        this.#announce({ state: 'reconnecting', error: unavailable('the connection to the server was lost') });
      } else if (type === 'reconnect') {
        const wasAway = !this.isUp;
        this.isUp = true;
        for (const act of this.#back) act();
        if (wasAway) this.#announce({ state: 'open' });
      } else if (type === 'error' && error instanceof PermissionViolationError) {
        for (const act of this.#denied) act(error);
      }
    }
  }
}

function toConnectOptions(settings: Settings): NodeConnectionOptions {
  const authenticator = authenticatorOf(settings);
  return {
    servers: [...settings.servers],
    name: settings.clientName,
    timeout: settings.connectTimeoutMs,
    maxReconnectAttempts: -1,
    pingInterval: NO_PING_MS,
    ignoreAuthErrorAbort: true,
    ...(authenticator && { authenticator }),
    ...(settings.tls && { tls: tlsOf(settings.tls) }),
  };
}

function authenticatorOf({ user, password, token, nkey, creds }: Settings): Authenticator | undefined {
  if (user !== undefined) return usernamePasswordAuthenticator(user, password);
  if (token !== undefined) return tokenAuthenticator(token);
  if (nkey !== undefined) return nkeyAuthenticator(toSeed(readTrustedFile(nkey, 'nkey').toString(), 'nkey'));
  if (creds === undefined) return undefined;
  const text = readTrustedFile(creds, 'creds');
  const [, seed = ''] = /-+BEGIN USER NKEY SEED-+\s+(\S+)/.exec(text.toString()) ?? [];
  toSeed(seed, 'creds');
  return credsAuthenticator(text);
}

/** The seed of a user. The file's content stays out of the error. */
function toSeed(text: string, what: string): Uint8Array {
  const seed = Buffer.from(text.trim());
  try {
    nkeys.fromSeed(seed);
    return seed;
  } catch {
    throw invalid(`the file of ${what} holds no seed`, 'A seed begins with SU; nsc and nk write such files.');
  }
}

function tlsOf({ ca, cert, key }: NonNullable<Settings['tls']>): { ca?: string; cert?: string; key?: string } {
  return {
    ...(ca !== undefined && { ca: readTrustedFile(ca, 'tls.ca').toString() }),
    ...(cert !== undefined && { cert: readTrustedFile(cert, 'tls.cert').toString() }),
    ...(key !== undefined && { key: readTrustedFile(key, 'tls.key').toString() }),
  };
}
