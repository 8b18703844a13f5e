/** The hub's side of WebSocket on this machine: a free port, which an endpoint file reveals to this user only. */

import { AccessTokens } from '../../hub/access-tokens.ts';
import { readEndpoint, writeEndpoint } from '../../local/endpoint-file.ts';
import { listenAtPath } from '../../local/listen-at-path.ts';
import { newSecret } from '../../local/token-file.ts';
import type { ConnectionAcceptor, HubLink } from '../link.ts';
import { canConnect } from './ws-client.ts';
import { PROOF_HEADER } from './ws-protocol.ts';
import { serveWebSockets, type WsServer } from './ws-server.ts';

const HOST = '127.0.0.1';
const PATH = '/bus';

/** A link that listens on a free port and writes the endpoint file `path`. */
export function wsFileHub(path: string): HubLink {
  return {
    address: `ws:${path}`,
    listen: (acceptor) =>
      listenAtPath(path, isListening, async () => {
        const token = newSecret();
        const proof = newSecret();
        const server = await serve(acceptor, token, proof);
        writeEndpoint(path, { url: `ws://${HOST}:${server.port}${PATH}`, token, proof });
        return { files: [path], stop: () => server.close() };
      }),
  };
}

/** Whether a hub listens at the endpoint in the file `path`. */
export async function isListening(path: string): Promise<boolean> {
  return canConnect(() => readEndpoint(path));
}

function serve(acceptor: ConnectionAcceptor, token: string, proof: string): Promise<WsServer> {
  const own = new AccessTokens([{ token }]);
  const isOpenToAll = acceptor.authorizes(undefined);
  return serveWebSockets({
    host: HOST,
    port: 0,
    rules: {
      path: PATH,
      hosts: [],
      origins: [],
      authorizes: (given) => own.authorizes(given) || (!isOpenToAll && acceptor.authorizes(given)),
    },
    headers: [`${PROOF_HEADER}: ${proof}`],
    expects: token,
    acceptor,
  });
}
