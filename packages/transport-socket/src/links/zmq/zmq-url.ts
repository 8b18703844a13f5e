/** URLs of ZeroMQ: `zmq:ipc://PATH` and `zmq:tcp://127.0.0.1:PORT`. */

import { BusbarError, invalid, quote } from '@busbar/api/transport';
import { isLoopback } from '../../local/loopback.ts';
import { readTokenFile } from '../../local/secret-file.ts';
import { checkFolder, isSocketThere, toSocketPath } from '../../local/socket-path.ts';
import { readToken } from '../../local/token-file.ts';
import { LINK_KEYS, toLinkSettings } from '../../options.ts';
import { type ClientPlan, ownPlan } from '../connect-config.ts';
import type { HubLink } from '../link.ts';
import { isListening } from '../unix/unix-client.ts';
import { HUB_KEYS, readParameters, toPath } from '../url.ts';
import { zmqClient } from './zmq-client.ts';
import { zmqIpcHub, zmqTcpHub } from './zmq-hub.ts';

const FORM = 'Write zmq:ipc://./bus.zmq, zmq:ipc:///absolute/path or zmq:tcp://127.0.0.1:PORT.';
const TCP_KEYS = ['tokenFile'];

/** Where a URL of ZeroMQ leads. */
type Place =
  | { readonly kind: 'ipc'; readonly path: string; readonly query: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly query: string };

/** How to reach the hub at a `zmq:` URL. */
export function zmqPlan(url: string): ClientPlan {
  const place = readPlace(url);
  if (place.kind === 'tcp') return tcpPlan(place);
  const { path, query } = place;
  const options = readParameters(query, [...LINK_KEYS, ...HUB_KEYS], 'zmq');
  const link = zmqClient({
    endpoint: `ipc://${path}`,
    token: () => readToken(path),
    check() {
      checkFolder(path);
      if (!isSocketThere(path)) throw nobody(`ipc://${path}`);
    },
    nobody: () => nobody(`ipc://${path}`),
  });
  return ownPlan(options, link, { path, scheme: 'zmq:ipc://', isListening });
}

/** The link of a hub that listens at a `zmq:` URL. */
export function zmqHubAt(url: string): HubLink {
  const place = readPlace(url);
  readParameters(place.query, [...LINK_KEYS, ...HUB_KEYS, ...TCP_KEYS], 'zmq');
  return place.kind === 'ipc' ? zmqIpcHub(place.path) : zmqTcpHub(place.host, place.port);
}

function tcpPlan({ host, port, query }: Extract<Place, { kind: 'tcp' }>): ClientPlan {
  const { tokenFile, ...options } = readParameters(query, [...LINK_KEYS, ...TCP_KEYS], 'zmq');
  if (port === 0) throw invalid("port 0 is nobody's", FORM);
  const endpoint = `tcp://${host}:${port}`;
  const link = zmqClient({
    endpoint,
    token: () => (tokenFile === undefined ? undefined : readTokenFile(tokenFile)),
    nobody: () => nobody(endpoint),
  });
  return { link, settings: toLinkSettings(options) };
}

function readPlace(url: string): Place {
  const [, rest = '', query = ''] = /^(?:zmq|zeromq):([^?#]*)(?:\?([^#]*))?$/is.exec(url) ?? [];
  if (rest.startsWith('ipc://')) return { kind: 'ipc', path: toSocketPath(toPath(rest.slice(6), 'zmq:ipc://')), query };
  const [, host, port = ''] = /^tcp:\/\/(\[[0-9a-f:]+\]|[^[\]:/]+):(\d{1,5})$/i.exec(rest) ?? [];
  if (host === undefined || Number(port) > 65_535) throw invalid(`${quote(url)} is no URL of ZeroMQ`, FORM);
  if (isLoopback(host.replace(/^\[|\]$/g, ''))) return { kind: 'tcp', host, port: Number(port), query };
  throw new BusbarError('UNSUPPORTED', `zmq:tcp does not leave this machine, and ${quote(host)} may`, {
    hint: 'Between machines use wss:, Redis or NATS.',
  });
}

function nobody(endpoint: string): BusbarError {
  return new BusbarError('UNAVAILABLE', `no hub listens at zmq:${endpoint}`, {
    hint: `Start one: busbar hub --listen zmq:${endpoint}`,
  });
}
