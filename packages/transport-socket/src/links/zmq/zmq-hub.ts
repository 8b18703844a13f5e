/** The hub's side of ZeroMQ. */

import { chmodSync } from 'node:fs';
import { socketExists, withPrivateUmask } from '@busbar/wire';
import { cannotListen } from '../../errors.ts';
import { listenAtPath } from '../../local/listen-at-path.ts';
import { ensureHubToken, tokenPath } from '../../local/token-file.ts';
import type { HubLink, LinkListener } from '../link.ts';
import { isListening } from '../unix/unix-client.ts';
import { RouterSocket } from './router-socket.ts';
import type { ZmqSockets } from './zmq-sockets.ts';

/**
 * A link that listens on the ipc socket at `path`, which {@link toSocketPath} has checked. Clients must send the token
 * from `PATH.token`.
 */
export function zmqIpcHub(path: string, sockets: ZmqSockets): HubLink {
  return {
    address: `zmq:ipc://${path}`,
    // ZeroMQ silently takes over a path in use. Only the lock ensures that there is one hub.
    listen: ({ accept }) =>
      listenAtPath(path, isListening, async () => {
        socketExists(path);
        const router = new RouterSocket(sockets, accept, { address: 'zmq', expects: ensureHubToken(path) });
        withPrivateUmask(() => listen(router, `ipc://${path}`));
        chmodSync(path, 0o600);
        return {
          files: [path, tokenPath(path)],
          stop: () => router.close(),
        };
      }),
  };
}

/** A link that listens on a port of this machine; 0 for a free one. Authorization is by the hub's tokens. */
export function zmqTcpHub(host: string, port: number, sockets: ZmqSockets): HubLink {
  let endpoint = `tcp://${host}:${port === 0 ? '*' : port}`;
  return {
    get address() {
      return `zmq:${endpoint}`;
    },
    async listen({ accept }): Promise<LinkListener> {
      const router = new RouterSocket(sockets, accept, { address: 'zmq' });
      endpoint = listen(router, endpoint);
      return router;
    },
  };
}

function listen(router: RouterSocket, endpoint: string): string {
  try {
    return router.listen(endpoint);
  } catch (cause) {
    throw cannotListen(`zmq:${endpoint}`, cause);
  }
}
