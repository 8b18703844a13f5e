/** The client's side of a Unix socket. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { BusbarError, isBusbarError, quote } from '@busbar/api/transport';
import { type ConnectionEvents, checkFolder, type LinkConnection, socketExists, UnixConnection } from '@busbar/wire';
import { noHub } from '../../errors.ts';
import { readHubToken } from '../../local/token-file.ts';
import { MAX_FRAME_BYTES_FROM_HUB } from '../../wire/protocol.ts';
import type { ClientLink } from '../link.ts';
import { withTimeoutSignal } from '../timeout-signal.ts';

const PROBE_TIMEOUT_MS = 1_000;

/** A link to the hub at the socket `path`, which {@link toSocketPath} has checked. */
export function unixClient(path: string): ClientLink {
  return {
    name: 'unix',
    address: `unix:${path}`,
    socket: path,
    reach: 'host',
    token: async () => readHubToken(path),
    async connect(events: ConnectionEvents, signal: AbortSignal): Promise<LinkConnection> {
      const socket = await connectSocket(path, signal);
      const connection = new UnixConnection(socket, MAX_FRAME_BYTES_FROM_HUB);
      connection.begin(events);
      return connection;
    },
  };
}

/** Whether a process listens on the socket at `path`. */
export async function isListening(path: string): Promise<boolean> {
  try {
    const socket = await withTimeoutSignal(PROBE_TIMEOUT_MS, undefined, (signal) => connectSocket(path, signal));
    socket.destroy();
    return true;
  } catch (error) {
    if (isBusbarError(error) && error.code === 'UNAVAILABLE') return false;
    throw error;
  }
}

async function connectSocket(path: string, signal: AbortSignal): Promise<Socket> {
  checkFolder(path);
  if (!socketExists(path)) throw noHub(`unix:${path}`, 'the socket does not exist');
  signal.throwIfAborted();
  // What is pending keeps the process alive, not its connection.
  const socket = connect({ path }).unref();
  try {
    await once(socket, 'connect', { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw signal.aborted ? noHub(`unix:${path}`, 'no answer in time') : toConnectError(path, error);
  }
}

function toConnectError(path: string, error: unknown): BusbarError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EPERM') {
    return new BusbarError('PERMISSION_DENIED', `this user may not connect to ${quote(path)}`, {
      hint: 'Only the user who started the hub can connect.',
      cause: error,
    });
  }
  return noHub(`unix:${path}`, code ?? message, error);
}
