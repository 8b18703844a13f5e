/** The hub's side of WebSocket: an HTTP server that takes upgrades and nothing else. */

import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { BusbarError, toBusbarError } from '@busbar/api/transport';
import { WebSocketServer } from 'ws';
import { type AccessToken, Tokens } from '../hub/tokens.ts';
import type { Connection, ConnectionEvents, HubLink, Listener, PeerInfo } from '../link.ts';
import { type AdmissionRules, admit, Refusal, SUBPROTOCOL } from './admission.ts';
import { Handshakes } from './handshakes.ts';
import { MESSAGE_LIMITS } from './message-limits.ts';
import { WsConnection } from './ws-connection.ts';

/** Where and for whom a hub listens. */
export interface WsHubOptions {
  /** An address of this machine, or a name of it. */
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  readonly path: string;
  /** Who may come in. Default: everybody who can connect. */
  readonly tokens?: readonly AccessToken[];
  /** Names besides `host`, IP addresses and `localhost` under which clients know the hub. */
  readonly hosts?: readonly string[];
  /** Web pages that may connect, such as `https://app.example`. Default: none. */
  readonly origins?: readonly string[];
  /** Speaks TLS: certificate and key as PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Gets one line for each upgrade that was refused. */
  readonly log?: (line: string) => void;
}

type Accept = (connection: Connection, peer: PeerInfo) => ConnectionEvents;

/** The hub's side of a WebSocket link. */
export function wsHubLink(options: WsHubOptions): HubLink {
  const link = { address: '', listen: async (accept: Accept) => listen(options, accept, link) };
  link.address = toAddress(options, options.port);
  return link;
}

async function listen(options: WsHubOptions, accept: Accept, link: { address: string }): Promise<Listener> {
  const { host, port, tls } = options;
  const server = tls === undefined ? createServer() : createTlsServer(tls);
  const handshakes = new Handshakes(server);
  const sockets = new WebSocketServer({
    ...MESSAGE_LIMITS,
    noServer: true,
    clientTracking: false,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  const rules = toRules(options);
  const refuse = (socket: Duplex, address: string, error: unknown): void => {
    options.log?.(`${address}: ${toBusbarError(error).message}`);
    answer(socket, error);
  };
  server.on('upgrade', (request, socket, head) => {
    const address = addressOf(request);
    // Whoever resets the connection meanwhile has broken nothing.
    socket.on('error', () => socket.destroy());
    try {
      const admitted = admit(request, rules);
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        handshakes.done(request.socket);
        const connection = new WsConnection(webSocket);
        connection.begin(accept(connection, { address, ...admitted }));
      });
    } catch (error) {
      refuse(socket, address, error);
    }
  });
  server.on('request', (request) => refuse(request.socket, addressOf(request), notWebSocket()));
  server.on('clientError', (_error, socket) => answer(socket, notWebSocket()));
  await begin(server, host, port);
  link.address = toAddress(options, (server.address() as AddressInfo).port);
  return { close: () => close(server, handshakes) };
}

function toRules({ host, path, tokens = [], hosts = [], origins = [] }: WsHubOptions): AdmissionRules {
  return { path, origins, hosts: [host, ...hosts].map((name) => name.toLowerCase()), tokens: new Tokens(tokens) };
}

function begin(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(host, port, error)));
    server.listen({ host, port }, resolve);
  });
}

/** Connections that became WebSockets are no more the server's: it does not wait for them. */
async function close(server: Server, handshakes: Handshakes): Promise<void> {
  handshakes.end();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

/** Answers with a refusal that says why, as JSON, and ends the connection. */
function answer(socket: Duplex, error: unknown): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { code, message, hint } = toBusbarError(error);
  const status = error instanceof Refusal ? error.status : 500;
  const body = JSON.stringify({ code, message, hint });
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'connection: close',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    ...(status === 426 ? ['upgrade: websocket'] : []),
    ...(status === 401 ? ['www-authenticate: Bearer'] : []),
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

function notWebSocket(): Refusal {
  return new Refusal(
    426,
    'INVALID_ARGUMENT',
    'this is a hub, which speaks WebSocket only',
    'Connect with a WebSocket client.',
  );
}

function addressOf({ socket }: IncomingMessage): string {
  return `${socket.remoteAddress ?? 'somebody'}`;
}

function toAddress({ host, path, tls }: WsHubOptions, port: number): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return `${tls === undefined ? 'ws' : 'wss'}://${name}:${port}${path}`;
}

function cannotListen(host: string, port: number, error: NodeJS.ErrnoException): BusbarError {
  const isTaken = error.code === 'EADDRINUSE';
  return new BusbarError('UNAVAILABLE', `cannot listen on ${host}:${port}: ${error.code ?? error.message}`, {
    hint: isTaken ? 'Another program has this port: choose another one.' : 'Listen on an address of this machine.',
    retryable: false,
    cause: error,
  });
}
