/** The file beside a socket that holds what clients say in hello: who can read it is let in. */

import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { quote } from '@busbar/api/transport';
import { checkOwner, denied, lstat } from './socket-path.ts';

const TOKEN = /^[A-Za-z0-9_-]{16,512}$/;

/** Where the token of a socket is. */
export function tokenPath(socket: string): string {
  return `${socket}.token`;
}

/** The token of `socket`, undefined where there is none. Throws PERMISSION_DENIED where others can read or write it. */
export function readToken(socket: string): string | undefined {
  const path = tokenPath(socket);
  const stats = lstat(path);
  if (stats === undefined) return undefined;
  if (!stats.isFile()) throw denied(`${quote(path)} is not a file`);
  checkOwner(path, stats);
  if (process.getuid !== undefined && (stats.mode & 0o077) !== 0) throw denied(`others can read ${quote(path)}`);
  const token = readFileSync(path, 'utf8').trim();
  if (!TOKEN.test(token)) throw denied(`${quote(path)} holds no token`);
  return token;
}

/** The token of `socket`: that of the hub before, whose clients know it, else a new one. Only the holder of the lock calls it. */
export function ensureToken(socket: string): string {
  const path = tokenPath(socket);
  try {
    const token = readToken(socket);
    if (token !== undefined) return token;
  } catch {
    // Whatever is there is not a token of ours, and it must not stay.
    rmSync(path, { force: true, recursive: false });
  }
  const token = randomBytes(24).toString('base64url');
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  writeFileSync(fresh, `${token}\n`, { mode: 0o600, flag: 'wx' });
  renameSync(fresh, path);
  return token;
}

/** Removes it: the hub has ended in order. */
export function removeToken(socket: string): void {
  rmSync(tokenPath(socket), { force: true });
}
