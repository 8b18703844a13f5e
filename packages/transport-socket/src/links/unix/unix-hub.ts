/** The hub's side of a Unix socket. */

import { once } from 'node:events';
import { chmodSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { socketExists, toSocketPath, UnixConnection, withPrivateUmask } from '@busbar/wire';
import { fileId } from '../../local/file-lock.ts';
import { listenAtPath } from '../../local/listen-at-path.ts';
import { ensureHubToken, tokenPath } from '../../local/token-file.ts';
import type { HubLink } from '../link.ts';
import { isListening } from './unix-client.ts';

/** A link with the path of its socket. The token file exists as soon as it listens. */
export interface UnixHubLink extends HubLink {
  readonly path: string;
}

const BACKLOG = 4_096;

/**
 * A link that listens on a Unix socket at `path`. Clients must send the token from `PATH.token`, which is created if
 * needed. Throws INVALID_ARGUMENT if `path` cannot be a socket address.
 */
export function unixHub(path: string): UnixHubLink {
  const absolute = toSocketPath(path);
  return {
    path: absolute,
    address: `unix:${absolute}`,
    listen: ({ accept }) =>
      listenAtPath(absolute, isListening, async () => {
        if (socketExists(absolute)) rmSync(absolute);
        const token = ensureHubToken(absolute);
        const server = createServer((socket: Socket) => {
          const connection = new UnixConnection(socket);
          connection.begin(accept(connection, { address: 'unix', expects: token }));
        });
        await listen(server, absolute);
        return {
          files: [absolute, tokenPath(absolute)],
          // Open connections belong to the hub.
          stop: () => closeServer(server, absolute),
        };
      }),
  };
}

async function listen(server: Server, path: string): Promise<void> {
  withPrivateUmask(() => server.listen({ path, backlog: BACKLOG }));
  await once(server, 'listening');
  // A connection that cannot be accepted must not end the hub.
  server.on('error', () => undefined);
  chmodSync(path, 0o600);
}

/** Node removes the file at `path`. It is the socket of the next hub if another hub has taken the path. */
function closeServer(server: Server, path: string): void {
  if (fileId(path) === undefined) server.close();
  else {
    const kept = `${path}.kept`;
    renameSync(path, kept);
    server.close();
    renameSync(kept, path);
  }
}
