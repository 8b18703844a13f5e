/** The hub's side of a Unix socket: one hub for each path, whoever else wants to be it. */

import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { KernelLock } from '../../local/file-lock.ts';
import { takeHubLock } from '../../local/hub-lock.ts';
import { isSocketThere, prepareFolder, toSocketPath } from '../../local/socket-path.ts';
import { ensureToken, removeToken } from '../../local/token-file.ts';
import type { HubLink, Listener } from '../link.ts';
import { isListening } from './unix-client.ts';
import { StreamConnection } from './unix-connection.ts';

/** A link, and the token that the file beside its socket holds once it listens. */
export interface UnixHubLink extends HubLink {
  readonly path: string;
}

const BACKLOG = 4_096;

/**
 * A link that listens on a Unix socket at `path`. Its clients must say the token of the file `PATH.token`, which is made
 * where it is not there. Throws INVALID_ARGUMENT for a path that cannot be an address.
 */
export function unixHub(path: string): UnixHubLink {
  const absolute = toSocketPath(path);
  return {
    path: absolute,
    address: `unix:${absolute}`,
    async listen({ accept }): Promise<Listener> {
      prepareFolder(absolute);
      const lock = await takeHubLock(absolute, isListening);
      try {
        if (isSocketThere(absolute)) rmSync(absolute);
        const token = ensureToken(absolute);
        const server = createServer((socket: Socket) => {
          const connection = new StreamConnection(socket);
          connection.begin(accept(connection, { address: 'unix', expects: token }));
        });
        await listenOn(server, absolute);
        return { close: async () => close(server, absolute, lock) };
      } catch (error) {
        lock.release();
        throw error;
      }
    },
  };
}

async function listenOn(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  // The socket must never be open to others, not even between bind and chmod.
  const umask = process.umask(0o177);
  try {
    server.listen({ path, backlog: BACKLOG }, resolve);
  } finally {
    process.umask(umask);
  }
  await promise;
  server.off('error', reject);
  // One connection that cannot be taken is its own trouble.
  server.on('error', () => undefined);
  chmodSync(path, 0o600);
}

/** All in one step: who sees that the socket is gone may look for what else there was. */
function close(server: Server, path: string, lock: KernelLock): void {
  removeToken(path);
  // It removes the socket as well; connections that are still open are the hub's.
  server.close();
  lock.release();
}
