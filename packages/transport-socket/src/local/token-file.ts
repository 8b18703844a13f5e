/** Token files: `PATH.token` beside a socket, and files that the parameter `tokenFile` names. */

import { randomBytes } from 'node:crypto';
import { invalid, quote } from '@busbar/api/transport';
import { misplaced, readPrivateFile, writePrivateFile } from '@busbar/wire';

const HUB_TOKEN = /^[A-Za-z0-9_-]{16,512}$/;
const USER_TOKEN = /^[\x21-\x7e]{16,512}$/;
const RANDOM_BYTES = 24;

/** A random secret of characters that are legal in a WebSocket subprotocol. */
export function newSecret(): string {
  return randomBytes(RANDOM_BYTES).toString('base64url');
}

/** The token of the hub at `socket`; undefined if the file does not exist. Throws PERMISSION_DENIED if it is not private. */
export function readHubToken(socket: string): string | undefined {
  const path = tokenPath(socket);
  const token = readPrivateFile(path)?.trim();
  if (token === undefined || HUB_TOKEN.test(token)) return token;
  throw misplaced(`${quote(path)} contains no token`);
}

/**
 * The token for a hub at `socket`. Keeps a valid token of the previous hub, since its clients reconnect with it. Only the
 * holder of the hub's lock may call this.
 */
export function ensureHubToken(socket: string): string {
  const path = tokenPath(socket);
  try {
    const token = readHubToken(socket);
    if (token !== undefined) return token;
  } catch {
    // A broken file of this user is replaced, below: another user's is refused.
  }
  const token = newSecret();
  writePrivateFile(path, `${token}\n`);
  return token;
}

/** The token in the file that a URL names. Throws PERMISSION_DENIED if other users can read it. */
export function readUserToken(path: string): string {
  const token = readPrivateFile(path)?.trim();
  if (token === undefined) throw invalid(`the file ${quote(path)} does not exist`, 'Name the file with the token.');
  if (USER_TOKEN.test(token)) return token;
  throw invalid(`${quote(path)} contains no token`, 'Write a token into it: 16 or more characters, no spaces.');
}

/** The path of the token file of the hub at `socket`. */
export function tokenPath(socket: string): string {
  return `${socket}.token`;
}
