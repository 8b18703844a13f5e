/** Where a hub listens, from URLs: one row for each kind of link, loaded when asked for. */

import { invalid, quote } from '@busbar/api/transport';
import type { HubLink } from './link.ts';
import { unixHub } from './unix/unix-hub.ts';
import { parseUnixUrl } from './url.ts';

const LINKS: Readonly<Record<string, (url: string) => Promise<HubLink>>> = {
  unix: async (url) => unixHub(parseUnixUrl(url).path),
  zmq: zmqHub,
  zeromq: zmqHub,
  ws: wsHub,
  websocket: wsHub,
  wss: wsHub,
};

/** The link that listens at `url`. Throws INVALID_ARGUMENT for one that no hub can listen at. */
export async function hubLink(url: string): Promise<HubLink> {
  const scheme = /^([a-z]+):/i.exec(url)?.[1]?.toLowerCase() ?? '';
  const link = Object.hasOwn(LINKS, scheme) ? LINKS[scheme] : undefined;
  if (link !== undefined) return link(url);
  throw invalid(
    `a hub cannot listen at ${quote(url)}`,
    `Use a URL of ${Object.keys(LINKS).join(', ')}, such as unix:./bus.sock.`,
  );
}

async function zmqHub(url: string): Promise<HubLink> {
  return (await import('./zmq/zmq-url.ts')).zmqHubAt(url);
}

async function wsHub(url: string): Promise<HubLink> {
  return (await import('./ws/ws-url.ts')).wsHubAt(url);
}
