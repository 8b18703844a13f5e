/** The client's side of WebSocket. */

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BusbarError, isBusbarError } from '@busbar/api/transport';
import { WebSocket } from 'ws';
import { noHub } from '../../errors.ts';
import { MAX_FRAME_BYTES_FROM_HUB } from '../../wire/protocol.ts';
import type { ClientLink } from '../link.ts';
import { WsConnection } from './ws-connection.ts';
import { MESSAGE_LIMITS, PROOF_HEADER, SUBPROTOCOL } from './ws-protocol.ts';

/** The endpoint of a hub, with what a client needs to connect. */
export interface WsEndpoint {
  /** Such as `ws://127.0.0.1:7400/bus`. */
  readonly url: string;
  readonly token?: string | undefined;
  /** The proof that the hub must send. Default: none. */
  readonly proof?: string | undefined;
  /** Certificate authorities as PEM. Default: those of Node. */
  readonly ca?: string | undefined;
}

/** Options of {@link wsClient}. */
export interface WsClientOptions {
  /** The hub's address for messages and logs. */
  readonly address: string;
  readonly reach: 'host' | 'network';
  /** Called for each attempt. */
  readonly endpoint: () => WsEndpoint;
}

const MAX_REFUSAL_BYTES = 4_096;
const PROBE_TIMEOUT_MS = 1_000;

/** The client's side of a WebSocket link. */
export function wsClient({ address, reach, endpoint }: WsClientOptions): ClientLink {
  return {
    name: 'ws',
    address,
    reach,
    // The upgrade has carried it.
    token: async () => undefined,
    async connect(events, signal) {
      const { socket, stream } = await openSocket(endpoint(), address, signal);
      const options = { form: 'binary', maxFrameBytes: MAX_FRAME_BYTES_FROM_HUB, stream } as const;
      const connection = new WsConnection(socket, options);
      connection.begin(events);
      return connection;
    },
  };
}

/** Whether the hub at `endpoint` accepts a connection. */
export async function canConnect(endpoint: () => WsEndpoint): Promise<boolean> {
  try {
    const { socket } = await openSocket(endpoint(), '', AbortSignal.timeout(PROBE_TIMEOUT_MS));
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
): Promise<{ readonly socket: WebSocket; readonly stream: Duplex | undefined }> {
  signal.throwIfAborted();
  const socket = new WebSocket(url, SUBPROTOCOL, {
    ...MESSAGE_LIMITS,
    maxPayload: MAX_FRAME_BYTES_FROM_HUB,
    followRedirects: false,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(ca !== undefined && { ca }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(noHub(address, 'no answer in time'));
  const onError = (error: Error): void => reject(toConnectError(address, error));
  signal.addEventListener('abort', onAbort, { once: true });
  socket.on('error', onError);
  socket.once('unexpected-response', (_request, response) => void toRefusal(address, response).then(reject));
  let stream: Socket | undefined;
  socket.once('upgrade', (response) => {
    const { headers } = response;
    // What is pending keeps the process alive, not its connection. Bun has no socket here.
    stream = response.socket;
    stream?.unref();
    if (proof !== undefined && headers[PROOF_HEADER] !== proof) reject(noHub(address, 'another program uses its port'));
  });
  socket.once('open', resolve);
  try {
    await promise;
    socket.off('error', onError);
    return { socket, stream };
  } catch (error) {
    // Terminating an unconnected socket emits another error, which `onError` absorbs.
    socket.terminate();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** The error for an HTTP response in place of the upgrade. */
async function toRefusal(address: string, response: IncomingMessage): Promise<BusbarError> {
  const { statusCode = 0 } = response;
  const { message = `it answered with status ${statusCode}`, hint } = await readRefusal(response);
  if (statusCode === 401 || statusCode === 403) {
    return new BusbarError('PERMISSION_DENIED', message, {
      hint: hint ?? 'Name the file that holds its token with the parameter tokenFile.',
    });
  }
  if (statusCode >= 500) return noHub(address, message);
  return new BusbarError('UNAVAILABLE', `no hub answers at ${address}: ${message}`, {
    hint: hint ?? 'Check the port and the path, such as /bus, in the URL where the hub listens.',
    retryable: false,
  });
}

async function readRefusal(response: IncomingMessage): Promise<{ message?: string; hint?: string }> {
  let text = '';
  try {
    for await (const chunk of response) {
      text += String(chunk);
      if (text.length > MAX_REFUSAL_BYTES) break;
    }
    const { message, hint } = JSON.parse(text) as Record<string, unknown>;
    return { ...(typeof message === 'string' && { message }), ...(typeof hint === 'string' && { hint }) };
  } catch {
    return {};
  } finally {
    response.destroy();
  }
}

function toConnectError(address: string, error: NodeJS.ErrnoException): BusbarError {
  const reason = error.code ?? error.message;
  if (!/CERT|TLS|SSL|UNABLE_TO/.test(reason)) return noHub(address, reason, error);
  return new BusbarError('PERMISSION_DENIED', `the certificate of ${address} is not trusted: ${reason}`, {
    hint: 'Name the authority that signed it with ?ca=FILE.',
    cause: error,
  });
}
