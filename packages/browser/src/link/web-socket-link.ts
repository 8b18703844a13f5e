/** The link of a page to a hub. */

import { BusbarError } from '@busbar/api/transport';
import type { ClientLink } from '@busbar/transport-socket/client';
import type { TokenSource } from '../options.ts';
import { WebSocketConnection } from './web-socket-connection.ts';

/** The token is in the first frame. A page cannot send headers, and a URL would show it in logs. */
const PROTOCOLS = ['busbar', 'busbar.hello'];

export function webSocketLink(url: string, token: TokenSource): ClientLink {
  return {
    name: 'ws',
    address: url,
    reach: 'network',
    token: async () => (typeof token === 'function' ? token() : token),
    async connect(events, signal) {
      const socket = new WebSocket(url, PROTOCOLS);
      try {
        await whenOpen(socket, url, signal);
      } catch (error) {
        socket.close();
        throw error;
      }
      return new WebSocketConnection(socket, events);
    },
  };
}

function whenOpen(socket: WebSocket, url: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(noHub(url));
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', fail);
    socket.addEventListener('close', fail);
    signal.addEventListener('abort', fail, { once: true });
    if (signal.aborted) fail();
  });
}

/** A browser does not tell a page why a WebSocket failed. */
function noHub(url: string): BusbarError {
  return new BusbarError('UNAVAILABLE', `no hub accepts this page at ${url}`, {
    hint: 'Start one, and allow the origin of the page with &origin=ORIGIN in the URL where it listens.',
  });
}
