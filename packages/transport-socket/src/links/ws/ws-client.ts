/** The client's side of WebSocket. */

import type { IncomingMessage } from 'node:http';
import { BusbarError, isBusbarError } from '@busbar/api/transport';
import { WebSocket } from 'ws';
import { PROOF_HEADER } from '../../local/endpoint-file.ts';
import type { ClientLink } from '../link.ts';
import { MESSAGE_LIMITS } from './message-limits.ts';
import { SUBPROTOCOL } from './upgrade-check.ts';
import { WsConnection } from './ws-connection.ts';

/** A hub that listens for WebSockets, and how to be let in. */
export interface WsEndpoint {
  /** Such as `ws://127.0.0.1:7400/bus`. */
  readonly url: string;
  readonly token?: string;
  /** What the hub must say of itself. Default: nothing. */
  readonly proof?: string;
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

/** What a hub sends at most in one message; it is trusted with more than a client is. */
const MAX_FROM_HUB = 268_435_456;
/** No more of a refusal is read. */
const MAX_REFUSAL_BYTES = 4_096;
const PROBE_MS = 1_000;

/** The client's side of a WebSocket link. */
export function wsClient({ address, reach, endpoint }: WsClientOptions): ClientLink {
  return {
    name: 'ws',
    address,
    reach,
    // It was said in the upgrade.
    token: async () => undefined,
    async connect(events, signal) {
      const socket = await openSocket(endpoint(), address, signal);
      const connection = new WsConnection(socket, 'binary', MAX_FROM_HUB);
      connection.begin(events);
      return connection;
    },
  };
}

/** Whether the hub at `endpoint` lets us in. */
export async function canConnect(endpoint: () => WsEndpoint): Promise<boolean> {
  try {
    const socket = await openSocket(endpoint(), '', AbortSignal.timeout(PROBE_MS));
    socket.on('error', () => undefined).terminate();
    return true;
  } catch (error) {
    if (isBusbarError(error) && error.code === 'UNAVAILABLE') return false;
    throw error;
  }
}

async function openSocket(
  { url, token, proof, ca }: WsEndpoint,
  address: string,
  signal: AbortSignal,
): Promise<WebSocket> {
  signal.throwIfAborted();
  const socket = new WebSocket(url, SUBPROTOCOL, {
    ...MESSAGE_LIMITS,
    maxPayload: MAX_FROM_HUB,
    followRedirects: false,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(ca !== undefined && { ca }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(nobody(address, 'it did not answer in time'));
  const onError = (error: Error): void => reject(toConnectError(address, error));
  signal.addEventListener('abort', onAbort, { once: true });
  socket.on('error', onError);
  socket.once('unexpected-response', (_request, response) => void refusal(address, response).then(reject));
  socket.once('upgrade', ({ headers }) => {
    if (proof !== undefined && headers[PROOF_HEADER] !== proof)
      reject(nobody(address, "the port is another program's"));
  });
  socket.once('open', resolve);
  try {
    await promise;
    socket.off('error', onError);
    return socket;
  } catch (error) {
    // Ending what is not connected yet is an error too, which nobody needs to hear of.
    socket.terminate();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** What the server said instead of letting us in. */
async function refusal(address: string, response: IncomingMessage): Promise<BusbarError> {
  const { statusCode = 0 } = response;
  const { message = `it answered with ${statusCode}`, hint } = await readRefusal(response);
  if (statusCode === 401 || statusCode === 403) {
    return new BusbarError('PERMISSION_DENIED', message, {
      hint: hint ?? 'Name the file that holds its token with the parameter tokenFile.',
    });
  }
  if (statusCode >= 500) return nobody(address, message);
  return new BusbarError('UNAVAILABLE', `no hub answers at ${address}: ${message}`, {
    hint: hint ?? 'Check the port, and the path behind it: that where the hub listens, such as /bus.',
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

function toConnectError(address: string, error: NodeJS.ErrnoException): BusbarError {
  const why = error.code ?? error.message;
  if (!/CERT|TLS|SSL|UNABLE_TO/.test(why)) return nobody(address, why, error);
  return new BusbarError('PERMISSION_DENIED', `the certificate of ${address} is not trusted: ${why}`, {
    hint: 'Name the authority that signed it with ?ca=FILE.',
    cause: error,
  });
}

function nobody(address: string, why: string, cause?: unknown): BusbarError {
  return new BusbarError('UNAVAILABLE', `no hub listens at ${address} (${why})`, {
    hint: `Start one: busbar hub --listen ${address}`,
    cause,
  });
}
