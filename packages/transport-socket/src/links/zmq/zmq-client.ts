/** The client's side of ZeroMQ: one DEALER for each connection. */

import { BusbarError } from '@busbar/api/transport';
import { type ConnectionEvents, connectionLost, type LinkConnection } from '@busbar/wire';
import type { Dealer } from 'zeromq';
import { noHub } from '../../errors.ts';
import { MAX_FRAME_BYTES_FROM_HUB } from '../../wire/protocol.ts';
import type { ClientLink } from '../link.ts';
import { ZmqConnection } from './zmq-connection.ts';
import type { ZmqSockets } from './zmq-sockets.ts';

const LINGER_MS = 1_000;

/** Options of {@link zmqClient}. */
export interface ZmqClientOptions {
  readonly sockets: ZmqSockets;
  /** Such as `ipc:///run/bus.zmq` or `tcp://127.0.0.1:7400`. */
  readonly endpoint: string;
  /** The token for hello. */
  readonly token: () => string | undefined;
  /** Throws if connecting is unsafe, or no hub can be there. */
  readonly check?: () => void;
}

/** The client's side of a ZeroMQ link. */
export function zmqClient({ sockets, endpoint, token, check }: ZmqClientOptions): ClientLink {
  return {
    name: 'zmq',
    address: `zmq:${endpoint}`,
    reach: 'host',
    keepsAlive: 'The ZeroMQ library keeps the process alive while a socket is open: close the bus.',
    token: async () => token(),
    async connect(events, signal) {
      check?.();
      signal.throwIfAborted();
      // No automatic reconnect: it would lose messages in flight without notice.
      const dealer = openDealer(sockets, { maxMessageSize: MAX_FRAME_BYTES_FROM_HUB, reconnectInterval: -1 });
      return connect(dealer, { endpoint, events, signal });
    },
  };
}

function connect(
  dealer: Dealer,
  { endpoint, events, signal }: { endpoint: string; events: ConnectionEvents; signal: AbortSignal },
): Promise<LinkConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<LinkConnection>();
  const connection = new ZmqConnection(
    {
      // `async`, since a closed socket throws instead of rejecting.
      send: async (packet) => dealer.send(packet),
      close: () => {
        dealer.linger = LINGER_MS;
        dealer.close();
      },
    },
    MAX_FRAME_BYTES_FROM_HUB,
  );
  let isConnected = false;
  const fail = (reason: string): void => {
    if (isConnected) connection.fail(connectionLost(`the connection broke: ${reason}`));
    else {
      reject(noHub(`zmq:${endpoint}`, reason));
      connection.destroy();
    }
  };
  const onAbort = (): void => fail('no answer in time');
  signal.addEventListener('abort', onAbort, { once: true });
  const onConnected = (): void => {
    isConnected = true;
    connection.begin(events);
    void read(dealer, connection);
    resolve(connection);
  };
  watch(dealer, onConnected, fail);
  dealer.connect(endpoint);
  return promise.finally(() => signal.removeEventListener('abort', onAbort));
}

function openDealer(sockets: ZmqSockets, options: ConstructorParameters<typeof Dealer>[0]): Dealer {
  try {
    return sockets.dealer(options);
  } catch (cause) {
    throw new BusbarError('UNAVAILABLE', `ZeroMQ has no socket left: ${(cause as NodeJS.ErrnoException).code}`, {
      hint: 'Share one transport among the agents of a process: it can carry thousands.',
      cause,
    });
  }
}

function watch(dealer: Dealer, onConnected: () => void, onFailed: (reason: string) => void): void {
  const { events } = dealer;
  events.on('handshake', onConnected);
  events.on('handshake:error:protocol', () => onFailed('the peer is not a hub'));
  events.on('handshake:error:other', () => onFailed('the peer is not a hub'));
  events.on('disconnect', () => void whenRead(dealer).then(() => onFailed('the hub disconnected')));
  // There is no second attempt, so the socket closes after the first one fails.
  events.on('close', () => onFailed('no answer'));
}

async function read(dealer: Dealer, connection: ZmqConnection): Promise<void> {
  try {
    for await (const [packet] of dealer) if (packet !== undefined) connection.receive(packet);
  } catch (error) {
    connection.fail(connectionLost(`the connection broke: ${String(error)}`));
  }
}

/** Resolves when all messages have been read: events overtake messages. */
async function whenRead(dealer: Dealer): Promise<void> {
  while (!dealer.closed && dealer.readable) await new Promise((resolve) => setImmediate(resolve));
}
