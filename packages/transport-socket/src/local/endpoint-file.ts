/** The file that tells where a hub listens for WebSockets, and what to say there: who can read it is let in. */

import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { BusbarError, quote } from '@busbar/api/transport';
import { checkFolder, checkOwner, denied, lstat } from './socket-path.ts';

/** What the file holds. */
export interface HubEndpoint {
  /** Such as `ws://127.0.0.1:49152/bus`. */
  readonly url: string;
  /** What a client says to be let in. */
  readonly token: string;
  /** What the hub says back: the port may be another's by now. */
  readonly proof: string;
}

/** The header that it says it in. */
export const PROOF_HEADER = 'busbar-proof';

const TOKEN_BYTES = 24;

/** Something that nobody can guess, of characters that a subprotocol may have. */
export function newSecret(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

/** Reads the file. Throws UNAVAILABLE where there is none, PERMISSION_DENIED where others could have written it. */
export function readEndpoint(path: string): HubEndpoint {
  checkFolder(path);
  const stats = lstat(path);
  if (stats === undefined) throw nobody(path, 'there is no such file');
  if (!stats.isFile()) throw denied(`${quote(path)} is not a file`);
  checkOwner(path, stats);
  if (process.getuid !== undefined && (stats.mode & 0o077) !== 0) throw denied(`others can read ${quote(path)}`);
  try {
    const { url, token, proof } = JSON.parse(readFileSync(path, 'utf8')) as Partial<HubEndpoint>;
    if (url?.startsWith('ws://') && typeof token === 'string' && typeof proof === 'string')
      return { url, token, proof };
  } catch (error) {
    // The hub that ends removes it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw nobody(path, 'there is no such file');
  }
  throw denied(`${quote(path)} does not say where a hub is`);
}

/** Writes the file, at once and whole. Only the holder of the lock calls it. */
export function writeEndpoint(path: string, endpoint: HubEndpoint): void {
  const stats = lstat(path);
  if (stats !== undefined && !stats.isFile()) throw denied(`${quote(path)} is there and is not a file`);
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  writeFileSync(fresh, `${JSON.stringify(endpoint)}\n`, { mode: 0o600, flag: 'wx' });
  renameSync(fresh, path);
}

/** Removes the file: the hub has ended in order. */
export function removeEndpoint(path: string): void {
  rmSync(path, { force: true });
}

function nobody(path: string, why: string): BusbarError {
  return new BusbarError('UNAVAILABLE', `no hub listens at ${quote(`ws:${path}`)} (${why})`, {
    hint: `Start one: busbar hub --listen ws:${path}`,
  });
}
