// A proxy that simulates network faults.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type Direction, directions, ProxyFaults, ProxyLane } from './proxy-lane.ts';

/** A TCP address or the path of a Unix socket. */
export type Endpoint = { readonly host: string; readonly port: number } | { readonly path: string };

/** Options of {@link openProxy}. */
export interface ProxyOptions {
  readonly target: Endpoint;
  /** Default: a free port of 127.0.0.1. */
  readonly listen?: Endpoint;
}

/** Opens a proxy that forwards each connection to the target. */
export async function openProxy(options: ProxyOptions): Promise<FaultProxy> {
  const server = createServer({ allowHalfOpen: true });
  const proxy = new FaultProxy(server, options.target);
  server.listen(options.listen ?? { host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  return proxy;
}

interface Pair {
  readonly sockets: readonly [Socket, Socket];
  readonly lanes: readonly ProxyLane[];
}

/** A proxy with faults. They apply to present and new connections until {@link FaultProxy.heal}. */
export class FaultProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: Endpoint;
  readonly #faults = new ProxyFaults();
  readonly #pairs = new Set<Pair>();
  #accepted = 0;

  /** @internal use {@link openProxy} */
  constructor(server: Server, target: Endpoint) {
    this.#server = server;
    this.#target = target;
    server.on('connection', (client) => this.#connect(client));
  }

  /** Where connections are forwarded to. */
  get target(): Endpoint {
    return this.#target;
  }

  /** The address for clients. */
  get endpoint(): Endpoint {
    const address = this.#server.address() as AddressInfo | string;
    return typeof address === 'string' ? { path: address } : { host: address.address, port: address.port };
  }

  /** The port for clients. Throws for a Unix socket. */
  get port(): number {
    const { endpoint } = this;
    if ('port' in endpoint) return endpoint.port;
    throw new TypeError('this proxy listens on a Unix socket');
  }

  /** Number of open connections. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Number of connections so far, including those reset at once. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Resets all connections. New ones are accepted. */
  cut(): void {
    for (const { sockets } of this.#pairs) sockets.forEach(reset);
  }

  /** Resets all connections, and each new one at once. */
  block(): void {
    this.#faults.blocked = true;
    this.cut();
  }

  /** Stops forwarding in one direction or both. Neither end sees a close. */
  halfOpen(direction?: Direction): void {
    for (const held of direction ? [direction] : directions) this.#faults.held.add(held);
    this.#apply();
  }

  /** Delays all data in both directions, in order. */
  delay(delayMs: number): void {
    this.#faults.delayMs = delayMs;
  }

  /** Forwards each direction of each connection at this rate. */
  slow(bytesPerSecond: number): void {
    this.#faults.bytesPerSecond = bytesPerSecond;
  }

  /** Ends the connection that carries the N-th next byte, right after that byte. */
  cutAfter(bytes: number, direction: Direction = 'toTarget'): void {
    this.#faults.budget[direction] = bytes;
  }

  /** Removes all faults. Held data is forwarded. */
  heal(): void {
    this.#faults.clear();
    this.#apply();
    for (const { sockets } of this.#pairs) if (sockets.some((socket) => socket.destroyed)) sockets.forEach(reset);
  }

  /** Resets all connections and stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.block();
    await closed;
  }

  #apply(): void {
    for (const { lanes } of this.#pairs) for (const lane of lanes) lane.apply();
  }

  #connect(client: Socket): void {
    this.#accepted += 1;
    client.on('error', () => undefined);
    if (this.#faults.blocked) reset(client);
    else this.#forward(client);
  }

  #forward(client: Socket): void {
    const target = connect({ ...this.#target, allowHalfOpen: true });
    const lane = (from: Socket, to: Socket, direction: Direction): ProxyLane =>
      new ProxyLane({ from, to, direction, faults: this.#faults });
    const pair: Pair = {
      sockets: [client, target],
      lanes: [lane(client, target, 'toTarget'), lane(target, client, 'toClient')],
    };
    this.#pairs.add(pair);
    client.on('close', () => this.#oneClosed(pair, target));
    target.on('close', () => this.#oneClosed(pair, client));
    target.on('error', () => undefined);
    for (const each of pair.lanes) each.apply();
  }

  /** A dead socket closes its peer, except while the network is down. */
  #oneClosed(pair: Pair, other: Socket): void {
    if (other.destroyed) this.#pairs.delete(pair);
    else if (this.#faults.held.size === 0 && !other.writableEnded) reset(other);
  }
}

/** Sends RST on TCP. A Unix socket only closes. */
function reset(socket: Socket): void {
  if (socket.destroyed) return;
  try {
    socket.resetAndDestroy();
  } catch {
    socket.destroy();
  }
}
