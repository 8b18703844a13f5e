/** The hub's ROUTER socket and the connections over it. */

import { connectionLost, encodeFrames, FRAME, frame, protocolError } from '@busbar/wire';
import type { Router } from 'zeromq';
import type { ConnectionAcceptor, LinkListener, PeerInfo } from '../link.ts';
import { ZmqConnection } from './zmq-connection.ts';
import type { ZmqSockets } from './zmq-sockets.ts';

/** How many closed connections are remembered whose sockets may still be open. */
const MAX_CLOSED = 10_000;
const LINGER_MS = 500;
const GOAWAY = encodeFrames([frame(FRAME.goaway, 0, { reason: 'the hub has ended this connection' })]);

/** A ROUTER socket and its connections, by the id that ROUTER gives each peer. */
export class RouterSocket implements LinkListener {
  readonly #router: Router;
  readonly #connections = new Map<string, ZmqConnection>();
  readonly #closed = new Set<string>();
  readonly #accept: ConnectionAcceptor['accept'];
  readonly #peer: PeerInfo;

  constructor(sockets: ZmqSockets, accept: ConnectionAcceptor['accept'], peer: PeerInfo) {
    this.#accept = accept;
    this.#peer = peer;
    this.#router = sockets.router({
      mandatory: true,
      handshakeInterval: 5_000,
      // For sockets without a connection: no message came, or the connection is closed.
      heartbeatInterval: 10_000,
      heartbeatTimeout: 30_000,
    });
  }

  /** Listens at `endpoint`. Returns the actual endpoint, with the port in place of `*`. */
  listen(endpoint: string): string {
    this.#router.bindSync(endpoint);
    void this.#read();
    return this.#router.lastEndpoint ?? endpoint;
  }

  /** Closes all connections. Resolves when the socket is gone from the file system, too. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#router.events.on('end', () => resolve());
    });
    for (const connection of this.#connections.values()) connection.destroy();
    this.#router.linger = LINGER_MS;
    this.#router.close();
    await closed;
  }

  async #read(): Promise<void> {
    for await (const [id, packet, ...more] of this.#router) {
      if (id === undefined || packet === undefined) continue;
      const key = id.toString('latin1');
      if (packet.length === 0 && more.length === 0) this.#disconnected(key);
      else if (this.#closed.has(key)) this.#send(id, GOAWAY).catch(() => undefined);
      else {
        const connection = this.#connections.get(key) ?? this.#begin(id, key);
        if (more.length === 0) connection.receive(packet);
        else connection.refuse(protocolError('a message must have one part'));
      }
    }
  }

  #begin(id: Buffer, key: string): ZmqConnection {
    const connection = new ZmqConnection({
      send: (packet) => this.#send(id, packet),
      close: () => this.#remove(key),
    });
    this.#connections.set(key, connection);
    connection.begin(this.#accept(connection, this.#peer));
    return connection;
  }

  /** `async`, since a closed socket throws instead of rejecting. */
  async #send(id: Buffer, packet: Buffer): Promise<void> {
    await this.#router.send([id, packet]);
  }

  #disconnected(key: string): void {
    this.#connections.get(key)?.fail(connectionLost('the peer has disconnected'));
    this.#closed.delete(key);
  }

  /** The peer's socket may stay open. Later messages from it must not begin a new connection. */
  #remove(key: string): void {
    this.#connections.delete(key);
    if (this.#closed.size >= MAX_CLOSED) for (const oldest of this.#closed) if (this.#closed.delete(oldest)) break;
    this.#closed.add(key);
  }
}
