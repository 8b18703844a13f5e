/** `ws://HOST:PORT/PATH` and `wss://…` URLs, and `ws:FILE` for a hub of this machine with an endpoint file. */

import { readTrustedFile, readUrlPath } from '@busbar/api/driver';
import { invalid } from '@busbar/api/transport';
import { toSocketPath } from '@busbar/wire';
import { readEndpoint } from '../../local/endpoint-file.ts';
import { isLoopback } from '../../local/local-address.ts';
import { readUserToken } from '../../local/token-file.ts';
import { ADDRESS_PARAMETERS, LISTEN_PARAMETERS, OPTIONS, PATH_PARAMETERS, readParameters } from '../../options.ts';
import { type ConnectConfig, type LinkScheme, pathConfig } from '../connect-config.ts';
import type { HubLink } from '../link.ts';
import { wsClient } from './ws-client.ts';
import { isListening, wsFileHub } from './ws-file-hub.ts';
import { wsHub } from './ws-hub.ts';
import type { TlsCertificate } from './ws-server.ts';

const FORM = 'Write ws://127.0.0.1:7400/bus, wss://host/bus, or ws:./bus.ws for a hub that starts by itself.';

/** The address in a URL. */
type WsAddress =
  | { readonly kind: 'file'; readonly path: string; readonly query: string }
  | { readonly kind: 'port'; readonly url: URL; readonly query: string };

/** WebSocket. */
export const wsScheme: LinkScheme = {
  connect(url) {
    const address = parseAddress(url);
    if (address.kind === 'port') return portConfig(address);
    const { path, query } = address;
    const options = readParameters(query, PATH_PARAMETERS, 'ws');
    const link = wsClient({ address: `ws:${path}`, reach: 'host', endpoint: () => readEndpoint(path) });
    return pathConfig(options, link, { path, prefix: 'ws:', isListening });
  },
  listen(url) {
    const address = parseAddress(url);
    if (address.kind === 'port') return portHub(address);
    readParameters(address.query, PATH_PARAMETERS, 'ws');
    return wsFileHub(address.path);
  },
};

function portConfig({ url, query }: Extract<WsAddress, { kind: 'port' }>): ConnectConfig {
  const settings = OPTIONS.complete(readParameters(query, ADDRESS_PARAMETERS, 'ws'));
  if (url.port === '0') throw invalid('a client cannot connect to port 0', FORM);
  const { tokenFile, ca: caFile } = settings;
  const ca = caFile === undefined ? undefined : readTrustedFile(caFile, 'ca').toString();
  const link = wsClient({
    address: url.href,
    reach: isLoopback(hostOf(url)) ? 'host' : 'network',
    endpoint: () => ({
      url: url.href,
      ca,
      token: tokenFile === undefined ? undefined : readUserToken(tokenFile),
    }),
  });
  return { link, settings };
}

function portHub({ url, query }: Extract<WsAddress, { kind: 'port' }>): HubLink {
  const { cert, key, host, origin, insecure } = OPTIONS.complete(readParameters(query, LISTEN_PARAMETERS, 'ws'));
  const isSecure = url.protocol === 'wss:';
  if (isSecure !== (cert !== undefined) || isSecure !== (key !== undefined)) {
    throw invalid(
      'listening at wss: needs a certificate and its key; ws: takes neither',
      'Write wss://…?cert=FILE&key=FILE.',
    );
  }
  return wsHub({
    host: hostOf(url),
    port: Number(url.port || (isSecure ? 443 : 80)),
    path: url.pathname,
    hosts: host?.split(','),
    origins: origin?.split(','),
    insecure,
    tls: cert === undefined || key === undefined ? undefined : readTls(cert, key),
  });
}

function readTls(cert: string, key: string): TlsCertificate {
  return { cert: readTrustedFile(cert, 'cert').toString(), key: readTrustedFile(key, 'key').toString() };
}

function parseAddress(text: string): WsAddress {
  const [, scheme = '', rest = '', query = ''] = /^(ws|wss|websocket):([^?#]*)(?:\?([^#]*))?$/is.exec(text) ?? [];
  const isSecure = scheme.toLowerCase() === 'wss';
  const hasHost = rest.startsWith('//') && !rest.startsWith('///');
  if (rest !== '' && !hasHost && !isSecure) return { kind: 'file', path: toSocketPath(readUrlPath(rest, 'ws')), query };
  const url = URL.parse(`${isSecure ? 'wss' : 'ws'}:${rest}`);
  if (!hasHost || url === null || url.hostname === '') throw invalid('this is not a ws: URL', FORM);
  if (url.username === '' && url.password === '') return { kind: 'port', url, query };
  throw invalid(
    'the URL of a WebSocket must not contain a user name or password',
    'Name the file with the token by the parameter tokenFile.',
  );
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}
