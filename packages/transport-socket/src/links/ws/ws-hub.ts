/** The hub's side of WebSocket at a configured address. */

import { invalid, quote } from '@busbar/api/transport';
import { isLoopback } from '../../local/local-address.ts';
import type { HubLink, LinkListener } from '../link.ts';
import { serveWebSockets, type TlsCertificate } from './ws-server.ts';

/** Options of {@link wsHub}. */
export interface WsHubOptions {
  /** An address or a name of this machine. */
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  /** Such as `/bus`. */
  readonly path: string;
  /** Names under which clients address the hub, besides `host`, IP addresses and `localhost`. Default: none. */
  readonly hosts?: readonly string[] | undefined;
  /** Web pages that may connect, such as `https://app.example`. Default: none. */
  readonly origins?: readonly string[] | undefined;
  /** Required beyond this machine, unless `insecure` is true. */
  readonly tls?: TlsCertificate | undefined;
  /** Allows listening beyond this machine without TLS: tokens and messages are readable on the network. Default false. */
  readonly insecure?: boolean | undefined;
}

/**
 * A link that listens for WebSockets. Beyond this machine it needs TLS and a hub with tokens. Without them, listening
 * rejects with INVALID_ARGUMENT.
 */
export function wsHub(options: WsHubOptions): HubLink {
  let { port } = options;
  return {
    get address() {
      return toAddress(options, port);
    },
    async listen(acceptor): Promise<LinkListener> {
      const authorizes = acceptor.authorizes.bind(acceptor);
      checkReach(options, authorizes(undefined));
      const { host, path, hosts = [], origins = [], tls } = options;
      const names = [host, ...hosts].map((name) => name.toLowerCase());
      const server = await serveWebSockets({
        host,
        port,
        rules: { path, origins, hosts: names, authorizes },
        tls,
        acceptor,
      });
      port = server.port;
      return server;
    },
  };
}

function checkReach({ host, tls, insecure = false }: WsHubOptions, isOpenToAll: boolean): void {
  if (isLoopback(host)) return;
  if (isOpenToAll) {
    throw invalid(`a hub that listens on ${quote(host)} needs tokens`, 'Name a file of tokens with --token-file.');
  }
  if (tls !== undefined || insecure) return;
  throw invalid(
    `a hub that listens on ${quote(host)} needs TLS`,
    'Use wss: with &cert=FILE&key=FILE. With &insecure=true others on the network can read the traffic.',
  );
}

function toAddress({ host, path, tls }: WsHubOptions, port: number): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return `${tls === undefined ? 'ws' : 'wss'}://${name}:${port}${path}`;
}
