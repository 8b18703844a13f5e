/** URLs of WebSocket: `ws://HOST:PORT/PATH`, `wss://…`, and `ws:FILE` for a hub of this machine that says where it is. */

import { invalid, quote } from '@busbar/api/transport';
import { readEndpoint } from '../../local/endpoint-file.ts';
import { isLoopback } from '../../local/loopback.ts';
import { readText, readTokenFile } from '../../local/secret-file.ts';
import { toSocketPath } from '../../local/socket-path.ts';
import { LINK_KEYS, toLinkSettings } from '../../options.ts';
import { type ClientPlan, ownPlan } from '../connect-config.ts';
import type { HubLink } from '../link.ts';
import { HUB_KEYS, readParameters, toPath } from '../url.ts';
import { wsClient } from './ws-client.ts';
import { isListening, wsFileHub } from './ws-file-hub.ts';
import { wsHub } from './ws-hub.ts';

const FORM = 'Write ws://127.0.0.1:7400/bus, wss://host/bus, or ws:./bus.ws for a hub that starts by itself.';
const CLIENT_KEYS = ['tokenFile', 'ca'];
const SERVER_KEYS = ['cert', 'key', 'host', 'origin', 'insecure'];

/** Where a URL of WebSocket leads. */
type Place =
  | { readonly kind: 'file'; readonly path: string; readonly query: string }
  | { readonly kind: 'address'; readonly url: URL; readonly query: string };

/** How to reach the hub at a `ws:` or `wss:` URL. */
export function wsPlan(url: string): ClientPlan {
  const place = readPlace(url);
  return place.kind === 'file' ? filePlan(place) : addressPlan(place);
}

/** The link of a hub that listens at a `ws:` or `wss:` URL. */
export function wsHubAt(url: string): HubLink {
  const place = readPlace(url);
  if (place.kind === 'file') {
    readParameters(place.query, [...LINK_KEYS, ...HUB_KEYS], 'ws');
    return wsFileHub(place.path);
  }
  return addressHub(place);
}

function filePlan({ path, query }: Extract<Place, { kind: 'file' }>): ClientPlan {
  const options = readParameters(query, [...LINK_KEYS, ...HUB_KEYS], 'ws');
  const link = wsClient({ address: `ws:${path}`, reach: 'host', endpoint: () => readEndpoint(path) });
  return ownPlan(options, link, { path, scheme: 'ws:', isListening });
}

function addressPlan({ url, query }: Extract<Place, { kind: 'address' }>): ClientPlan {
  const { tokenFile, ca, ...options } = readParameters(query, [...LINK_KEYS, ...CLIENT_KEYS], 'ws');
  if (url.port === '0') throw invalid("port 0 is nobody's", FORM);
  const certificate = ca === undefined ? {} : { ca: readText(ca, 'ca') };
  const link = wsClient({
    address: url.href,
    reach: isLoopback(hostOf(url)) ? 'host' : 'network',
    endpoint: () => ({
      url: url.href,
      ...certificate,
      ...(tokenFile !== undefined && { token: readTokenFile(tokenFile) }),
    }),
  });
  return { link, settings: toLinkSettings(options) };
}

function addressHub({ url, query }: Extract<Place, { kind: 'address' }>): HubLink {
  const { cert, key, host, origin, insecure } = readParameters(
    query,
    [...LINK_KEYS, ...CLIENT_KEYS, ...SERVER_KEYS],
    'ws',
  );
  if (insecure !== undefined && insecure !== 'true' && insecure !== 'false') {
    throw invalid(`the parameter insecure is illegal: ${quote(insecure)}`, 'Write true or false.');
  }
  const isSecure = url.protocol === 'wss:';
  if (isSecure !== (cert !== undefined) || isSecure !== (key !== undefined)) {
    throw invalid(
      'to listen at wss: takes a certificate and its key, ws: neither',
      'Write wss://…?cert=FILE&key=FILE.',
    );
  }
  return wsHub({
    host: hostOf(url),
    port: Number(url.port || (isSecure ? 443 : 80)),
    path: url.pathname,
    hosts: host?.split(',') ?? [],
    origins: origin?.split(',') ?? [],
    insecure: insecure === 'true',
    ...(cert !== undefined &&
      key !== undefined && { tls: { cert: readText(cert, 'cert'), key: readText(key, 'key') } }),
  });
}

function readPlace(text: string): Place {
  const [, scheme = '', rest = '', query = ''] = /^(ws|wss|websocket):([^?#]*)(?:\?([^#]*))?$/is.exec(text) ?? [];
  const isSecure = scheme.toLowerCase() === 'wss';
  const hasHost = rest.startsWith('//') && !rest.startsWith('///');
  if (rest !== '' && !hasHost && !isSecure) return { kind: 'file', path: toSocketPath(toPath(rest, 'ws:')), query };
  const url = URL.parse(`${isSecure ? 'wss' : 'ws'}:${rest}`);
  if (!hasHost || url === null || url.hostname === '') throw invalid(`${quote(text)} is no URL of WebSocket`, FORM);
  if (url.username === '' && url.password === '') return { kind: 'address', url, query };
  throw invalid(
    'a URL of WebSocket holds no name and no password',
    'Name the file that holds its token with the parameter tokenFile.',
  );
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}
