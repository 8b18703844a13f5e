/** `zmq:ipc://PATH` and `zmq:tcp://127.0.0.1:PORT` URLs. */

import { readUrlPath } from '@busbar/api/driver';
import { BusbarError, invalid, quote } from '@busbar/api/transport';
import { checkFolder, socketExists, toSocketPath } from '@busbar/wire';
import { noHub } from '../../errors.ts';
import { isLoopback } from '../../local/local-address.ts';
import { readHubToken, readUserToken } from '../../local/token-file.ts';
import { ADDRESS_PARAMETERS, OPTIONS, PATH_PARAMETERS, readParameters } from '../../options.ts';
import { type ConnectConfig, type LinkScheme, pathConfig } from '../connect-config.ts';
import type { ClientLink } from '../link.ts';
import { isListening } from '../unix/unix-client.ts';
import { zmqClient } from './zmq-client.ts';
import { zmqIpcHub, zmqTcpHub } from './zmq-hub.ts';
import type { ZmqSockets } from './zmq-sockets.ts';

const FORM = 'Write zmq:ipc://./bus.zmq, zmq:ipc:///absolute/path or zmq:tcp://127.0.0.1:PORT.';
const TCP_PARAMETERS = ADDRESS_PARAMETERS.filter((name) => name !== 'ca');

/** The address in a URL. */
type ZmqAddress =
  | { readonly kind: 'ipc'; readonly path: string; readonly query: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly query: string };

/** ZeroMQ. */
export function zmqScheme(sockets: ZmqSockets): LinkScheme {
  return {
    connect(url) {
      const address = parseAddress(url);
      if (address.kind === 'tcp') return tcpConfig(address, sockets);
      const { path, query } = address;
      const options = readParameters(query, PATH_PARAMETERS, 'zmq');
      return pathConfig(options, ipcClient(path, sockets), { path, prefix: 'zmq:ipc://', isListening });
    },
    listen(url) {
      const address = parseAddress(url);
      readParameters(address.query, address.kind === 'ipc' ? PATH_PARAMETERS : TCP_PARAMETERS, 'zmq');
      const { kind } = address;
      return kind === 'ipc' ? zmqIpcHub(address.path, sockets) : zmqTcpHub(address.host, address.port, sockets);
    },
  };
}

function ipcClient(path: string, sockets: ZmqSockets): ClientLink {
  return zmqClient({
    sockets,
    endpoint: `ipc://${path}`,
    token: () => readHubToken(path),
    check() {
      checkFolder(path);
      if (!socketExists(path)) throw noHub(`zmq:ipc://${path}`, 'the socket does not exist');
    },
  });
}

function tcpConfig({ host, port, query }: Extract<ZmqAddress, { kind: 'tcp' }>, sockets: ZmqSockets): ConnectConfig {
  const settings = OPTIONS.complete(readParameters(query, TCP_PARAMETERS, 'zmq'));
  if (port === 0) throw invalid('a client cannot connect to port 0', FORM);
  const { tokenFile } = settings;
  const token = (): string | undefined => (tokenFile === undefined ? undefined : readUserToken(tokenFile));
  return { link: zmqClient({ sockets, endpoint: `tcp://${host}:${port}`, token }), settings };
}

function parseAddress(url: string): ZmqAddress {
  const [, rest = '', query = ''] = /^(?:zmq|zeromq):([^?#]*)(?:\?([^#]*))?$/is.exec(url) ?? [];
  const [, path] = /^ipc:\/\/(.+)$/s.exec(rest) ?? [];
  if (path !== undefined) return { kind: 'ipc', path: toSocketPath(readUrlPath(path, 'zmq:ipc')), query };
  const [, host, port = ''] = /^tcp:\/\/(\[[0-9a-f:]+\]|[^[\]:/]+):(\d{1,5})$/i.exec(rest) ?? [];
  if (host === undefined || Number(port) > 65_535) throw invalid('this is not a zmq: URL', FORM);
  if (isLoopback(host.replace(/^\[|\]$/g, ''))) return { kind: 'tcp', host, port: Number(port), query };
  throw new BusbarError('UNSUPPORTED', `zmq:tcp is limited to this machine; ${quote(host)} may be another`, {
    hint: 'Between machines use wss:, Redis or NATS.',
  });
}
