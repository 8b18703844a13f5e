/** The client's side of a Unix socket. */

import { connect, type Socket } from 'node:net';
import { BusbarError, quote } from '@busbar/api/transport';
import { checkFolder, isSocketThere } from '../../local/socket-path.ts';
import { readToken } from '../../local/token-file.ts';
import type { ClientLink, Connection, ConnectionEvents } from '../link.ts';
import { TimeBound } from '../timeout-signal.ts';
import { StreamConnection } from './unix-connection.ts';

/** What a hub sends at most in one frame; it is trusted with more than a client is. */
const MAX_FROM_HUB = 268_435_456;
const PROBE_MS = 1_000;

/** A link to the hub that listens on the socket at `path`, which {@link toSocketPath} has checked. */
export function unixClient(path: string): ClientLink {
  return {
    name: 'unix',
    address: `unix:${path}`,
    reach: 'host',
    token: async () => readToken(path),
    async connect(events: ConnectionEvents, signal: AbortSignal): Promise<Connection> {
      const socket = await connectSocket(path, signal);
      const connection = new StreamConnection(socket, MAX_FROM_HUB);
      connection.begin(events);
      return connection;
    },
  };
}

/** Whether somebody listens on the socket at `path`. */
export async function isListening(path: string): Promise<boolean> {
  using bound = new TimeBound(PROBE_MS);
  try {
    (await connectSocket(path, bound.signal)).destroy();
    return true;
  } catch (error) {
    if (error instanceof BusbarError && error.code === 'UNAVAILABLE') return false;
    throw error;
  }
}

async function connectSocket(path: string, signal: AbortSignal): Promise<Socket> {
  checkFolder(path);
  if (!isSocketThere(path)) throw nobody(path, 'there is no socket');
  signal.throwIfAborted();
  const socket = connect({ path });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(nobody(path, 'it did not answer in time'));
  signal.addEventListener('abort', onAbort, { once: true });
  socket.once('connect', resolve);
  socket.once('error', reject);
  try {
    await promise;
    socket.off('error', reject);
    return socket;
  } catch (error) {
    socket.destroy();
    throw toLinkError(path, error as NodeJS.ErrnoException);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function toLinkError(path: string, error: NodeJS.ErrnoException): Error {
  if (error instanceof BusbarError) return error;
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new BusbarError('PERMISSION_DENIED', `${quote(path)} is not open to this user`, {
      hint: 'Only the user who started the hub can connect.',
      cause: error,
    });
  }
  return nobody(path, error.code ?? error.message);
}

function nobody(path: string, why: string): BusbarError {
  return new BusbarError('UNAVAILABLE', `no hub listens on ${quote(path)} (${why})`, {
    hint: `Start one: busbar hub --listen unix:${path}`,
  });
}
