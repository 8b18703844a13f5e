/** The hub's end of ZeroMQ: one ROUTER, and the connections over it. */

import { Router } from 'zeromq';
import { bad, encodeFrames, FRAME, frame } from '../../wire/frame.ts';
import type { Door, PeerInfo } from '../link.ts';
import { lost } from '../unix/unix-connection.ts';
import { SOCKET_OPTIONS } from './socket-options.ts';
import { ZmqConnection } from './zmq-connection.ts';

/** Ids of connections that were ended here while their sockets live on. */
const MAX_ENDED = 10_000;
const LINGER_MS = 500;
const OVER = encodeFrames([frame(FRAME.goaway, 0, { reason: 'the hub has ended this connection' })]);

/** ZMQ_ROUTER_NOTIFY and ZMQ_NOTIFY_DISCONNECT: an empty message comes from whoever has gone. */
const ROUTER_NOTIFY = 97;
const NOTIFY_DISCONNECT = 2;

class NotifyingRouter extends Router {
  /** Where libzmq was built without it, only heartbeats tell who has gone. */
  notifyDisconnects(): void {
    try {
      this.setInt32Option(ROUTER_NOTIFY, NOTIFY_DISCONNECT);
    } catch {
      // Nothing is lost but time.
    }
  }
}

/** A hub's socket and the connections over it, by the id that ROUTER knows each peer under. */
export class Switchboard {
  readonly #router = new NotifyingRouter({
    ...SOCKET_OPTIONS,
    mandatory: true,
    handshakeInterval: 5_000,
    // For the sockets that nobody hears of: those over which no message came, or no more.
    heartbeatInterval: 10_000,
    heartbeatTimeout: 30_000,
  });
  readonly #connections = new Map<string, ZmqConnection>();
  readonly #ended = new Set<string>();
  readonly #accept: Door['accept'];
  readonly #peer: PeerInfo;

  constructor(accept: Door['accept'], peer: PeerInfo) {
    this.#accept = accept;
    this.#peer = peer;
    this.#router.notifyDisconnects();
  }

  /** Listens at `endpoint`; resolves with the endpoint as it is, a free port included. */
  listen(endpoint: string): string {
    this.#router.bindSync(endpoint);
    void this.#read();
    return this.#router.lastEndpoint ?? endpoint;
  }

  /** Resolves once nothing is left of it, in the file system either. */
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
      if (packet.length === 0 && more.length === 0) this.#gone(key);
      else if (this.#ended.has(key)) this.#post(id, OVER).catch(() => undefined);
      else {
        const connection = this.#connections.get(key) ?? this.#begin(id, key);
        if (more.length === 0) connection.take(packet);
        else connection.refuse(bad('a message has one part, no more'));
      }
    }
  }

  #begin(id: Buffer, key: string): ZmqConnection {
    const connection = new ZmqConnection({
      post: (packet) => this.#post(id, packet),
      release: () => this.#end(key),
    });
    this.#connections.set(key, connection);
    connection.begin(this.#accept(connection, this.#peer));
    return connection;
  }

  /** A socket that is closed throws instead of rejecting. */
  async #post(id: Buffer, packet: Buffer): Promise<void> {
    await this.#router.send([id, packet]);
  }

  #gone(key: string): void {
    this.#connections.get(key)?.broke(lost('the peer has gone'));
    this.#ended.delete(key);
  }

  /** Its socket may live on: what still comes from it is not a new connection. */
  #end(key: string): void {
    this.#connections.delete(key);
    if (this.#ended.size >= MAX_ENDED) for (const oldest of this.#ended) if (this.#ended.delete(oldest)) break;
    this.#ended.add(key);
  }
}
