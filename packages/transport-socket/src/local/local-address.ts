/** Hosts that never leave this machine. */

import { isIPv4 } from 'node:net';

/** Whether `host` always means this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
