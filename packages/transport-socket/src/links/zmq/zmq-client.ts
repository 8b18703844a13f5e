/** The client's side of ZeroMQ: one DEALER for each connection. */

import { BusbarError } from '@busbar/api/transport';
import { Dealer } from 'zeromq';
import type { ClientLink, Connection, ConnectionEvents } from '../link.ts';
import { lost } from '../unix/unix-connection.ts';
import { SOCKET_OPTIONS } from './socket-options.ts';
import { ZmqConnection } from './zmq-connection.ts';

/** What a hub sends at most in one message; it is trusted with more than a client is. */
const MAX_FROM_HUB = 268_435_456;
const LINGER_MS = 1_000;

/** How a link finds its hub. */
export interface ZmqClientOptions {
  /** Such as `ipc:///run/bus.zmq` or `tcp://127.0.0.1:7400`. */
  readonly endpoint: string;
  /** What to say in hello. */
  readonly token: () => string | undefined;
  /** Throws where it is not safe to connect, or nobody can be there. */
  readonly check?: () => void;
  /** What to say where no hub listens. */
  readonly nobody: () => BusbarError;
}

/** The client's side of a ZeroMQ link. */
export function zmqClient({ endpoint, token, check, nobody }: ZmqClientOptions): ClientLink {
  return {
    name: 'zmq',
    address: `zmq:${endpoint}`,
    reach: 'host',
    token: async () => token(),
    async connect(events, signal) {
      check?.();
      signal.throwIfAborted();
      return connect(endpoint, events, signal, nobody);
    },
  };
}

function connect(
  endpoint: string,
  events: ConnectionEvents,
  signal: AbortSignal,
  nobody: () => BusbarError,
): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  // It never connects again by itself: what was on the way would be lost in silence.
  const dealer = openDealer({ ...SOCKET_OPTIONS, maxMessageSize: MAX_FROM_HUB, reconnectInterval: -1 });
  const connection = new ZmqConnection(
    {
      // A socket that is closed throws instead of rejecting.
      post: async (packet) => dealer.send(packet),
      release: () => {
        dealer.linger = LINGER_MS;
        dealer.close();
      },
    },
    MAX_FROM_HUB,
  );
  let isConnected = false;
  const fail = (why: string): void => {
    if (isConnected) connection.broke(lost(`the connection broke: ${why}`));
    else {
      reject(nobody());
      connection.destroy();
    }
  };
  const onAbort = (): void => fail('it did not answer in time');
  signal.addEventListener('abort', onAbort, { once: true });
  const begin = (): void => {
    isConnected = true;
    connection.begin(events);
    void read(dealer, connection);
    resolve(connection);
  };
  watch(dealer, begin, fail);
  dealer.connect(endpoint);
  return promise.finally(() => signal.removeEventListener('abort', onAbort));
}

function openDealer(options: ConstructorParameters<typeof Dealer>[0]): Dealer {
  try {
    return new Dealer(options);
  } catch (cause) {
    throw new BusbarError('UNAVAILABLE', `ZeroMQ has no socket left: ${(cause as NodeJS.ErrnoException).code}`, {
      hint: 'Share one transport among the agents of a process: it can carry thousands.',
      cause,
    });
  }
}

function watch(dealer: Dealer, onConnected: () => void, onFailed: (why: string) => void): void {
  const { events } = dealer;
  events.on('handshake', onConnected);
  events.on('handshake:error:protocol', () => onFailed('what answers is no hub'));
  events.on('handshake:error:other', () => onFailed('what answers is no hub'));
  events.on('disconnect', () => void whenRead(dealer).then(() => onFailed('it went away')));
  // Without a second attempt this is the end of the first.
  events.on('close', () => onFailed('nobody answers'));
}

async function read(dealer: Dealer, connection: ZmqConnection): Promise<void> {
  try {
    for await (const [packet] of dealer) if (packet !== undefined) connection.take(packet);
  } catch (error) {
    connection.broke(lost(`the connection broke: ${String(error)}`));
  }
}

/** Resolves once all that came has been read: events overtake messages. */
async function whenRead(dealer: Dealer): Promise<void> {
  while (!dealer.closed && dealer.readable) await new Promise((resolve) => setImmediate(resolve));
}
