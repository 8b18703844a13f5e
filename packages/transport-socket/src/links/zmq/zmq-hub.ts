/** The hub's side of ZeroMQ. */

import { chmodSync, rmSync } from 'node:fs';
import { BusbarError } from '@busbar/api/transport';
import { takeHubLock } from '../../local/hub-lock.ts';
import { isSocketThere, prepareFolder } from '../../local/socket-path.ts';
import { ensureToken, removeToken } from '../../local/token-file.ts';
import type { Door, HubLink, Listener } from '../link.ts';
import { isListening } from '../unix/unix-client.ts';
import { Switchboard } from './router-socket.ts';

/**
 * A link that listens on the ipc socket at `path`, which {@link toSocketPath} has checked. Its clients must say the token
 * of the file `PATH.token`.
 */
export function zmqIpcHub(path: string): HubLink {
  return {
    address: `zmq:ipc://${path}`,
    async listen({ accept }): Promise<Listener> {
      prepareFolder(path);
      // ZeroMQ takes a path from whoever has it, without a word: the lock alone makes sure that there is one hub.
      const lock = await takeHubLock(path, isListening);
      try {
        isSocketThere(path);
        const switchboard = new Switchboard(accept, { address: 'zmq', expects: ensureToken(path) });
        // The socket must never be open to others, not even between bind and chmod.
        const umask = process.umask(0o177);
        try {
          listen(switchboard, `ipc://${path}`);
        } finally {
          process.umask(umask);
        }
        chmodSync(path, 0o600);
        return {
          async close() {
            await switchboard.close();
            rmSync(path, { force: true });
            removeToken(path);
            lock.release();
          },
        };
      } catch (error) {
        lock.release();
        throw error;
      }
    },
  };
}

/** A link that listens on a port of this machine; 0 for a free one. Who may come in the tokens of the hub say. */
export function zmqTcpHub(host: string, port: number): HubLink {
  let endpoint = `tcp://${host}:${port === 0 ? '*' : port}`;
  return {
    get address() {
      return `zmq:${endpoint}`;
    },
    async listen({ accept }: Door): Promise<Listener> {
      const switchboard = new Switchboard(accept, { address: 'zmq' });
      endpoint = listen(switchboard, endpoint);
      return switchboard;
    },
  };
}

function listen(switchboard: Switchboard, endpoint: string): string {
  try {
    return switchboard.listen(endpoint);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const hint = code === 'EADDRINUSE' ? 'Another program listens there.' : 'Use an address of this machine.';
    throw new BusbarError('UNAVAILABLE', `cannot listen at zmq:${endpoint}: ${code ?? message}`, {
      hint,
      retryable: false,
      cause,
    });
  }
}
