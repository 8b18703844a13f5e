/** The client's side of WebSocket. */

import type { IncomingMessage } from 'node:http';
import { BusbarError, isBusbarError } from '@busbar/api/transport';
import { WebSocket } from 'ws';
import type { ClientLink, Connection, ConnectionEvents } from '../link.ts';
import { lost } from '../stream-connection.ts';
import { SUBPROTOCOL } from './admission.ts';
import { MESSAGE_LIMITS } from './message-limits.ts';
import { WsConnection } from './ws-connection.ts';

/** A hub that listens for WebSockets, and how to be let in. */
export interface WsEndpoint {
  /** Such as `ws://127.0.0.1:7400/bus`. */
  readonly url: string;
  readonly token?: string;
  /** Authorities that sign its certificate, as PEM. Default: those that Node knows. */
  readonly ca?: string;
}

/** How a link finds its hub. */
export interface WsClientOptions {
  /** Where the hub is, for people. */
  readonly address: string;
  readonly reach: 'host' | 'network';
  /** Asked for at each attempt. */
  readonly endpoint: () => WsEndpoint;
}

/** No more of a refusal is read. */
const MAX_REFUSAL_BYTES = 4_096;

/** The client's side of a WebSocket link. */
export function wsClientLink({ address, reach, endpoint }: WsClientOptions): ClientLink {
  return {
    name: 'ws',
    address,
    reach,
    // It was said in the upgrade.
    token: async () => undefined,
    connect: async (events, signal) => connect(endpoint(), events, signal),
  };
}

function connect({ url, token, ca }: WsEndpoint, events: ConnectionEvents, signal: AbortSignal): Promise<Connection> {
  const socket = new WebSocket(url, SUBPROTOCOL, {
    ...MESSAGE_LIMITS,
    followRedirects: false,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(ca !== undefined && { ca }),
  });
  const connection = new WsConnection(socket, 'binary');
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  const giveUp = (): void => {
    reject(lost('the hub did not answer in time'));
    socket.terminate();
  };
  const fail = (error: NodeJS.ErrnoException): void => reject(toConnectError(error));
  signal.addEventListener('abort', giveUp, { once: true });
  // Terminating what is not connected yet is an error too.
  socket.on('error', fail);
  socket.once('unexpected-response', (_request, response) => void refusal(response).then(reject));
  socket.once('open', () => {
    socket.off('error', fail);
    connection.begin(events);
    resolve(connection);
  });
  return promise.finally(() => signal.removeEventListener('abort', giveUp));
}

/** What the hub said instead of letting us in. */
async function refusal(response: IncomingMessage): Promise<BusbarError> {
  const { statusCode = 0 } = response;
  const said = await readRefusal(response);
  const text = said.message ?? `the server answered with ${statusCode}`;
  if (statusCode === 401 || statusCode === 403) {
    return new BusbarError('PERMISSION_DENIED', text, {
      hint: said.hint ?? 'Give the token of the hub with ?tokenFile=.',
    });
  }
  if (statusCode >= 500) return lost(text);
  return new BusbarError('UNAVAILABLE', `no hub answers there: ${text}`, {
    hint: said.hint ?? 'Check the address: it ends in the path where the hub listens, such as /bus.',
    retryable: false,
  });
}

interface Said {
  readonly message?: string;
  readonly hint?: string;
}

async function readRefusal(response: IncomingMessage): Promise<Said> {
  let text = '';
  try {
    for await (const piece of response) {
      text += String(piece);
      if (text.length > MAX_REFUSAL_BYTES) break;
    }
    const { message, hint } = JSON.parse(text) as Said;
    return { ...(typeof message === 'string' && { message }), ...(typeof hint === 'string' && { hint }) };
  } catch {
    return {};
  } finally {
    response.destroy();
  }
}

function toConnectError(error: NodeJS.ErrnoException): BusbarError {
  if (isBusbarError(error)) return error;
  const why = error.code ?? error.message;
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/.test(why)) {
    return new BusbarError('PERMISSION_DENIED', `the hub's certificate is not trusted: ${why}`, {
      hint: 'Name the authority that signed it with ?ca=FILE.',
      cause: error,
    });
  }
  return new BusbarError('UNAVAILABLE', `no hub listens there: ${why}`, { cause: error });
}
