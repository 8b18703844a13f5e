/** Files that a URL names: a token of this user, and what TLS needs. */

import { readFileSync } from 'node:fs';
import { invalid, quote } from '@busbar/api/transport';
import { checkOwner, denied, lstat } from './socket-path.ts';

const TOKEN = /^[\x21-\x7e]{16,512}$/;

/** The token in the file at `path`. Throws PERMISSION_DENIED where others can read it. */
export function readTokenFile(path: string): string {
  const stats = lstat(path);
  if (stats === undefined) throw invalid(`there is no ${quote(path)}`, 'Name the file that holds the token.');
  if (!stats.isFile()) throw denied(`${quote(path)} is not a file`);
  checkOwner(path, stats);
  if (process.getuid !== undefined && (stats.mode & 0o077) !== 0) throw denied(`others can read ${quote(path)}`);
  const token = readText(path, 'tokenFile').trim();
  if (TOKEN.test(token)) return token;
  throw invalid(`${quote(path)} holds no token`, 'Put one into it: 16 characters or more, no spaces.');
}

/** The text of the file that `parameter` names. */
export function readText(path: string, parameter: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw invalid(`cannot read ${parameter} ${quote(path)}: ${code}`, 'Name a file that you can read.');
  }
}
