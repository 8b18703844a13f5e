/** An HTTP server that accepts upgrades to WebSocket and nothing else. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { isBusbarError, toBusbarError } from '@busbar/api/transport';
import { WebSocketServer } from 'ws';
import { cannotListen } from '../../errors.ts';
import type { ConnectionAcceptor, LinkListener } from '../link.ts';
import { PendingHandshakes } from './pending-handshakes.ts';
import { UnauthorizedConnection } from './unauthorized-connection.ts';
import { checkUpgrade, UpgradeRefusal, type UpgradeRules } from './upgrade-check.ts';
import { WsConnection } from './ws-connection.ts';
import { MESSAGE_LIMITS, SUBPROTOCOL } from './ws-protocol.ts';

/** Certificate and key as PEM. */
export interface TlsCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Options of {@link serveWebSockets}. */
export interface WsServerOptions {
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  readonly rules: UpgradeRules;
  readonly tls?: TlsCertificate | undefined;
  /** Additional headers of the upgrade response. */
  readonly headers?: readonly string[] | undefined;
  /** A token of this link, valid beside the hub's tokens. */
  readonly expects?: string | undefined;
  readonly acceptor: ConnectionAcceptor;
}

/** A server that listens. */
export interface WsServer extends LinkListener {
  readonly port: number;
}

/** Listens. Rejects with UNAVAILABLE if the address cannot be used. */
export async function serveWebSockets(options: WsServerOptions): Promise<WsServer> {
  const { host, port, tls } = options;
  const server = tls === undefined ? createServer() : createTlsServer(tls);
  const handshakes = new PendingHandshakes(server);
  const upgrade = upgrader(options);
  server.on('upgrade', (request, socket, head) => {
    // A reset during the handshake is not an error of the hub.
    socket.on('error', () => socket.destroy());
    try {
      upgrade(request, socket, head, () => handshakes.complete(request.socket));
    } catch (error) {
      refuse(options, request.socket, error);
    }
  });
  server.on('request', ({ socket }) => refuse(options, socket, notWebSocket()));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // A client that hangs up gets no response.
    if (error.code === 'ECONNRESET') socket.destroy();
    else refuse(options, socket, notHttp());
  });
  await listen(server, host, port);
  return { port: (server.address() as AddressInfo).port, close: () => close(server, handshakes) };
}

type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer, onDone: () => void) => void;

function upgrader({ rules, headers = [], expects, acceptor }: WsServerOptions): Upgrade {
  const sockets = new WebSocketServer({
    ...MESSAGE_LIMITS,
    noServer: true,
    clientTracking: false,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  sockets.on('headers', (lines) => lines.push(...headers));
  return (request, socket, head, onDone) => {
    const token = checkUpgrade(request, rules);
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      // A client that did not show a token counts as a handshake until it is welcome.
      const isAuthorized = rules.authorizes(token);
      if (isAuthorized) onDone();
      const connection = isAuthorized
        ? new WsConnection(webSocket, { stream: socket })
        : new UnauthorizedConnection(webSocket, { stream: socket }, onDone);
      connection.begin(acceptor.accept(connection, { address: addressOf(request.socket), token, expects }));
    });
  };
}

/** Sends the refusal as JSON and ends the connection. */
function refuse({ acceptor }: WsServerOptions, socket: Duplex, error: unknown): void {
  const refusal = error instanceof UpgradeRefusal ? error : new UpgradeRefusal(500, 'INTERNAL', 'the hub failed', '');
  const { status, code, message, hint } = refusal;
  acceptor.refused(isBusbarError(error) ? message : toBusbarError(error).message, addressOf(socket));
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify({ code, message, hint });
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'connection: close',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    ...(status === 426 ? ['upgrade: websocket'] : []),
    ...(status === 401 ? ['www-authenticate: Bearer'] : []),
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

function notWebSocket(): UpgradeRefusal {
  const hint = 'Connect with a WebSocket client.';
  return new UpgradeRefusal(426, 'INVALID_ARGUMENT', 'this hub speaks WebSocket only', hint);
}

function notHttp(): UpgradeRefusal {
  return new UpgradeRefusal(400, 'INVALID_ARGUMENT', 'this is not an HTTP request', 'Connect with a WebSocket client.');
}

function addressOf(socket: Duplex): string {
  return (socket as Partial<IncomingMessage['socket']>).remoteAddress ?? 'unknown address';
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen({ host, port });
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw cannotListen(`${host}:${port}`, cause);
  }
  // A connection that cannot be accepted must not end the hub.
  server.on('error', () => undefined);
}

/** Stops accepting. Open WebSockets no longer belong to the server. */
async function close(server: Server, handshakes: PendingHandshakes): Promise<void> {
  handshakes.destroyAll();
  // Its callback would wait for open connections.
  server.close();
  await new Promise((resolve) => setImmediate(resolve));
}
