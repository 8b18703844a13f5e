/** The hub's side of WebSocket at an address of its own choice. */

import { invalid, quote } from '@busbar/api/transport';
import { isLoopback } from '../../local/loopback.ts';
import type { HubLink, Listener } from '../link.ts';
import { WsConnection } from './ws-connection.ts';
import { serveWebSockets } from './ws-server.ts';

/** Where and for whom a hub listens. */
export interface WsHubOptions {
  /** An address of this machine, or a name of it. */
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  /** Such as `/bus`. */
  readonly path: string;
  /** Names besides `host`, IP addresses and `localhost` under which clients know the hub. Default: none. */
  readonly hosts?: readonly string[];
  /** Web pages that may connect, such as `https://app.example`. Default: none. */
  readonly origins?: readonly string[];
  /** Speaks TLS: certificate and key as PEM. Needed beyond this machine. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Listens beyond this machine without TLS all the same: tokens and messages can be read on the way. Default false. */
  readonly insecure?: boolean;
}

/**
 * A link that listens for WebSockets. Beyond this machine it needs TLS and a hub with tokens; where that is not given,
 * listening rejects with INVALID_ARGUMENT.
 */
export function wsHub(options: WsHubOptions): HubLink {
  let { port } = options;
  return {
    get address() {
      return toAddress(options, port);
    },
    async listen({ accept, admits, refused }): Promise<Listener> {
      checkReach(options, admits(undefined));
      const { host, path, hosts = [], origins = [], tls } = options;
      const server = await serveWebSockets({
        host,
        port,
        rules: { path, origins, hosts: [host, ...hosts].map((name) => name.toLowerCase()), admits },
        ...(tls !== undefined && { tls }),
        onSocket: (socket, address, token) => {
          const connection = new WsConnection(socket);
          connection.begin(accept(connection, { address, ...(token !== undefined && { token }) }));
        },
        onRefused: refused,
      });
      port = server.port;
      return server;
    },
  };
}

function checkReach({ host, tls, insecure = false }: WsHubOptions, isOpenToAll: boolean): void {
  if (isLoopback(host)) return;
  if (isOpenToAll) {
    throw invalid(`a hub that listens on ${quote(host)} needs tokens`, 'Give it some with --token-file.');
  }
  if (tls !== undefined || insecure) return;
  throw invalid(
    `a hub that listens on ${quote(host)} needs TLS`,
    'Use wss: with &cert=FILE&key=FILE; with &insecure=true everybody on the way can read along.',
  );
}

function toAddress({ host, path, tls }: WsHubOptions, port: number): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return `${tls === undefined ? 'ws' : 'wss'}://${name}:${port}${path}`;
}
