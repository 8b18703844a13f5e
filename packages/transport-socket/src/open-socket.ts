/** Opens a transport over a hub, whatever the link. */

import { openTransport } from '@busbar/api/driver';
import type { Transport } from '@busbar/api/transport';
import { readClientUrl } from './links/client-url.ts';
import type { OwnHub } from './links/connect-config.ts';
import type { ClientLink } from './links/link.ts';
import { isListening, unixClient } from './links/unix/unix-client.ts';
import { type HubProgram, startHub } from './local/start-hub.ts';
import { checkUnixOptions, type LinkSettings, toLinkSettings, type UnixOptions } from './options.ts';
import { SocketDriver } from './socket-driver.ts';

/** Starts a hub where none listens; resolves when it may be tried again. */
export type StartHub = (signal: AbortSignal) => Promise<void>;

/** Opens a transport over the hub at the other end of `link`. */
export async function openLink(link: ClientLink, settings: LinkSettings, start?: StartHub): Promise<Transport> {
  const { ns, agent, connectTimeoutMs, heartbeatMs } = settings;
  const introduction = { ns, heartbeatMs, ...(agent === undefined ? {} : { agent }) };
  const options = { link, introduction, connectTimeoutMs, ...(start === undefined ? {} : { start }) };
  return openTransport(await SocketDriver.open(options));
}

/**
 * Opens a transport over the hub at `url`. Where none listens at the URL of a place of this machine, the program that
 * `programFor` names is started first.
 */
export async function openSocket(url: string, programFor?: (hub: OwnHub) => HubProgram): Promise<Transport> {
  const { link, settings, own } = await readClientUrl(url);
  if (own === undefined || programFor === undefined) return openLink(link, settings);
  const { path, isListening } = own;
  return openLink(link, settings, (signal) => startHub({ path, isListening, program: programFor(own) }, signal));
}

/** Opens a transport over the hub on a Unix socket, which is started first where `start` says how. */
export async function openUnix(options: UnixOptions): Promise<Transport> {
  const path = checkUnixOptions(options);
  const { start: program } = options;
  const start: StartHub | undefined = program && ((signal) => startHub({ path, program, isListening }, signal));
  return openLink(unixClient(path), toLinkSettings(options), start);
}
