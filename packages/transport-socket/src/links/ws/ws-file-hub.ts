/** The hub's side of WebSocket on this machine: a free port, and a file that tells it to this user only. */

import { Tokens } from '../../hub/access-tokens.ts';
import { newSecret, PROOF_HEADER, readEndpoint, removeEndpoint, writeEndpoint } from '../../local/endpoint-file.ts';
import { takeHubLock } from '../../local/hub-lock.ts';
import { prepareFolder } from '../../local/socket-path.ts';
import type { HubLink, Listener } from '../link.ts';
import { canConnect } from './ws-client.ts';
import { WsConnection } from './ws-connection.ts';
import { serveWebSockets } from './ws-server.ts';

const HOST = '127.0.0.1';
const PATH = '/bus';

/** A link that listens on a free port, and says in the file at `path` where and how to come in. */
export function wsFileHub(path: string): HubLink {
  return {
    address: `ws:${path}`,
    async listen({ accept, admits, refused }): Promise<Listener> {
      prepareFolder(path);
      const lock = await takeHubLock(path, isListening);
      const token = newSecret();
      const proof = newSecret();
      const own = new Tokens([{ token }]);
      const isOpenToAll = admits(undefined);
      try {
        const server = await serveWebSockets({
          host: HOST,
          port: 0,
          rules: {
            path: PATH,
            hosts: [],
            origins: [],
            admits: (given) => own.admits(given) || (!isOpenToAll && admits(given)),
          },
          headers: [`${PROOF_HEADER}: ${proof}`],
          onSocket: (socket, address, given) => {
            const connection = new WsConnection(socket);
            const peer = { address, expects: token, ...(given !== undefined && { token: given }) };
            connection.begin(accept(connection, peer));
          },
          onRefused: refused,
        });
        writeEndpoint(path, { url: `ws://${HOST}:${server.port}${PATH}`, token, proof });
        return { close: () => close(path, server, lock) };
      } catch (error) {
        lock.release();
        throw error;
      }
    },
  };
}

/** Whether a hub listens where the file at `path` says. */
export async function isListening(path: string): Promise<boolean> {
  return canConnect(() => readEndpoint(path));
}

async function close(path: string, server: Listener, lock: { release(): void }): Promise<void> {
  removeEndpoint(path);
  await server.close();
  lock.release();
}
