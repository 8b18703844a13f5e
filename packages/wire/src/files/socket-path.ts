/** Paths of Unix sockets. */

import { resolve } from 'node:path';
import { invalid, quote } from '@busbar/api/transport';

/** Length limit of a socket address on macOS; Linux allows four bytes more. Node truncates longer paths silently. */
const MAX_PATH_BYTES = 103;

/** The absolute path of a socket. Throws INVALID_ARGUMENT if it cannot be a socket address. */
export function toSocketPath(path: unknown): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw invalid(`${quote(path)} is not the path of a socket`, 'Use a path such as ./bus.sock.');
  }
  const absolute = resolve(path);
  const bytes = Buffer.byteLength(absolute);
  if (bytes <= MAX_PATH_BYTES) return absolute;
  throw invalid(
    `the path of the socket has ${bytes} bytes, the limit is ${MAX_PATH_BYTES}: ${quote(absolute)}`,
    'Choose a shorter folder of your own, for example one below $XDG_RUNTIME_DIR or /tmp.',
  );
}
