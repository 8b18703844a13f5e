/** An HTTP server that takes upgrades to WebSocket, and nothing else. */

import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { BusbarError, isBusbarError, toBusbarError } from '@busbar/api/transport';
import { type WebSocket, WebSocketServer } from 'ws';
import { Handshakes } from './handshakes.ts';
import { MESSAGE_LIMITS } from './message-limits.ts';
import { type AdmissionRules, admit, Refusal, SUBPROTOCOL } from './upgrade-check.ts';

/** Where a server listens, for whom, and who is told of it. */
export interface WsServerOptions {
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  readonly rules: AdmissionRules;
  /** Speaks TLS: certificate and key as PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Headers of the answer to whoever is let in. */
  readonly headers?: readonly string[];
  onSocket(socket: WebSocket, address: string, token: string | undefined): void;
  onRefused(reason: string, address: string): void;
}

/** A server that listens. */
export interface WsServer {
  readonly port: number;
  /** Takes no new connections. */
  close(): Promise<void>;
}

/** Listens. Rejects with UNAVAILABLE where it cannot. */
export async function serveWebSockets(options: WsServerOptions): Promise<WsServer> {
  const { host, port, tls } = options;
  const server = tls === undefined ? createServer() : createTlsServer(tls);
  const handshakes = new Handshakes(server);
  const upgrade = upgrader(options);
  server.on('upgrade', (request, socket, head) => {
    // Whoever resets the connection meanwhile has broken nothing.
    socket.on('error', () => socket.destroy());
    try {
      upgrade(request, socket, head, () => handshakes.done(request.socket));
    } catch (error) {
      refuse(options, request.socket, error);
    }
  });
  server.on('request', ({ socket }) => refuse(options, socket, notWebSocket()));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // Who hangs up has said nothing wrong.
    if (error.code === 'ECONNRESET') socket.destroy();
    else refuse(options, socket, notHttp());
  });
  await listen(server, host, port);
  return { port: (server.address() as AddressInfo).port, close: () => close(server, handshakes) };
}

type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer, onDone: () => void) => void;

function upgrader({ rules, headers = [], onSocket }: WsServerOptions): Upgrade {
  const sockets = new WebSocketServer({
    ...MESSAGE_LIMITS,
    noServer: true,
    clientTracking: false,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  sockets.on('headers', (lines) => lines.push(...headers));
  return (request, socket, head, onDone) => {
    const token = admit(request, rules);
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      onDone();
      onSocket(webSocket, addressOf(request.socket), token);
    });
  };
}

/** Answers with why, as JSON, and ends the connection. */
function refuse({ onRefused }: WsServerOptions, socket: Duplex, error: unknown): void {
  const refusal = error instanceof Refusal ? error : new Refusal(500, 'INTERNAL', 'the hub failed', '');
  const { status, code, message, hint } = refusal;
  onRefused(isBusbarError(error) ? message : toBusbarError(error).message, addressOf(socket));
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

function notWebSocket(): Refusal {
  const hint = 'Connect with a WebSocket client.';
  return new Refusal(426, 'INVALID_ARGUMENT', 'this is a hub, which speaks WebSocket only', hint);
}

function notHttp(): Refusal {
  return new Refusal(400, 'INVALID_ARGUMENT', 'what came is no HTTP request', 'Connect with a WebSocket client.');
}

function addressOf(socket: Duplex): string {
  return (socket as Partial<IncomingMessage['socket']>).remoteAddress ?? 'somebody';
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host, port }, resolve);
  try {
    await promise;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const hint = code === 'EADDRINUSE' ? 'Another program listens there.' : 'Use an address of this machine.';
    throw new BusbarError('UNAVAILABLE', `cannot listen on ${host}:${port}: ${code}`, {
      hint,
      retryable: false,
      cause,
    });
  }
  server.off('error', reject);
  // One connection that cannot be taken is its own trouble.
  server.on('error', () => undefined);
}

/** What became a WebSocket is not the server's any more. */
async function close(server: Server, handshakes: Handshakes): Promise<void> {
  handshakes.end();
  // It would wait for the connections that are open.
  server.close();
  await new Promise((resolve) => setImmediate(resolve));
}
