/** The endpoint file of a WebSocket hub on this machine: its port, a token for clients, and a proof of the hub. */

import { quote } from '@busbar/api/transport';
import { checkFolder, misplaced, readPrivateFile, writePrivateFile } from '@busbar/wire';
import { noHub } from '../errors.ts';

/** The content of an endpoint file. */
export interface HubEndpoint {
  /** Such as `ws://127.0.0.1:49152/bus`. */
  readonly url: string;
  /** Sent by clients to be let in. */
  readonly token: string;
  /** Sent back by the hub: another program may have taken over its port. */
  readonly proof: string;
}

/** Reads the endpoint file. Throws UNAVAILABLE if it does not exist, PERMISSION_DENIED if it is not private. */
export function readEndpoint(path: string): HubEndpoint {
  checkFolder(path);
  const text = readPrivateFile(path);
  if (text === undefined) throw noHub(`ws:${path}`, 'the file does not exist');
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) throw misplaced(`${quote(path)} does not name the endpoint of a hub`);
  return endpoint;
}

/** Writes the endpoint file. Only the holder of the hub's lock may call this. */
export function writeEndpoint(path: string, endpoint: HubEndpoint): void {
  writePrivateFile(path, `${JSON.stringify(endpoint)}\n`);
}

function parseEndpoint(text: string): HubEndpoint | undefined {
  try {
    const { url, token, proof } = JSON.parse(text) as Partial<HubEndpoint>;
    if (!url?.startsWith('ws://') || typeof token !== 'string' || typeof proof !== 'string') return undefined;
    return { url, token, proof };
  } catch {
    return undefined;
  }
}
