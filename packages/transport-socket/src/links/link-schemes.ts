/** The kinds of links by URL scheme. WebSocket and ZeroMQ are loaded on first use. */

import { invalid } from '@busbar/api/transport';
import type { ConnectConfig, LinkScheme } from './connect-config.ts';
import type { HubLink } from './link.ts';
import { unixScheme } from './unix/unix-url.ts';

const SCHEMES: Readonly<Record<string, () => Promise<LinkScheme>>> = {
  unix: async () => unixScheme,
  zmq: loadZmq,
  zeromq: loadZmq,
  ws: loadWs,
  websocket: loadWs,
  wss: loadWs,
};

/** How a client connects to the hub at `url`. Rejects with INVALID_ARGUMENT for an illegal URL. */
export async function parseHubUrl(url: string): Promise<ConnectConfig> {
  return (await loadScheme(url)).connect(url);
}

/** The link of a hub that listens at `url`. Rejects with INVALID_ARGUMENT for an illegal URL. */
export async function hubLink(url: string): Promise<HubLink> {
  return (await loadScheme(url)).listen(url);
}

function loadScheme(url: string): Promise<LinkScheme> {
  const name = /^([a-z]+):/i.exec(url)?.[1]?.toLowerCase() ?? '';
  const load = Object.hasOwn(SCHEMES, name) ? SCHEMES[name] : undefined;
  if (load !== undefined) return load();
  throw invalid(
    'this is not the URL of a hub',
    `Use a URL of ${Object.keys(SCHEMES).join(', ')}, such as unix:./bus.sock.`,
  );
}

async function loadZmq(): Promise<LinkScheme> {
  const [{ zmqScheme }, { loadZmqSockets }] = await Promise.all([
    import('./zmq/zmq-url.ts'),
    import('./zmq/zmq-sockets.ts'),
  ]);
  return zmqScheme(await loadZmqSockets());
}

async function loadWs(): Promise<LinkScheme> {
  return (await import('./ws/ws-url.ts')).wsScheme;
}
