/** The socket transport: a hub gives clients access to any other transport, over several kinds of links. */

import { openTransport, waitForServer } from '@busbar/api/driver';
import type { Transport } from '@busbar/api/transport';
import { toSocketPath } from '@busbar/wire';
import type { LocalHub } from './links/connect-config.ts';
import type { ClientLink } from './links/link.ts';
import { parseHubUrl } from './links/link-schemes.ts';
import { isListening, unixClient } from './links/unix/unix-client.ts';
import { type HubProgram, type HubStart, startHub } from './local/start-hub.ts';
import { completeUnixOptions, type LinkSettings, type UnixOptions } from './options.ts';
import { SocketDriver } from './socket-driver.ts';

export { hubStatus, stopHub } from './client/hub-control.ts';
export type { AccessToken } from './hub/access-tokens.ts';
export { type Hub, type HubOptions, serveHub } from './hub/hub.ts';
export type { OpenStore } from './hub/store-pool.ts';
export type { ConnectConfig, LocalHub } from './links/connect-config.ts';
export type { HubLink } from './links/link.ts';
export { hubLink, parseHubUrl } from './links/link-schemes.ts';
export { type UnixHubLink, unixHub } from './links/unix/unix-hub.ts';
export { parseUnixUrl } from './links/unix/unix-url.ts';
export type { HubProgram } from './local/start-hub.ts';
export type { HubSpawnOptions, LinkOptions, UnixOptions } from './options.ts';
export type { HubStatus } from './wire/protocol.ts';

/**
 * Opens a transport over the hub at `url`. If the URL has a path and no hub listens there, the program that `programFor`
 * returns is started first.
 */
export async function openSocket(url: string, programFor?: (hub: LocalHub) => HubProgram): Promise<Transport> {
  const { link, settings, localHub } = await parseHubUrl(url);
  const start = localHub && programFor && { ...localHub, program: programFor(localHub) };
  return openLink(link, settings, start);
}

/** Opens a transport over the hub at a Unix socket. If no hub listens, `start` starts one. */
export async function openUnix(options: UnixOptions): Promise<Transport> {
  const settings = completeUnixOptions(options);
  const path = toSocketPath(options.path);
  const { start: program } = options;
  return openLink(unixClient(path), settings, program && { path, program, isListening });
}

async function openLink(link: ClientLink, settings: LinkSettings, start: HubStart | undefined): Promise<Transport> {
  const { ns, agent, connectTimeoutMs, waitForServerMs, heartbeatMs } = settings;
  const open = (): Promise<SocketDriver> =>
    SocketDriver.open({
      link,
      info: { ns, heartbeatMs, agent },
      connectTimeoutMs,
      start: start && ((signal) => startHub(start, signal)),
    });
  return openTransport(await waitForServer(open, waitForServerMs), settings);
}
