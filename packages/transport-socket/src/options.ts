/** Options of the socket transport: types, defaults, and the check of them. */

import { checkInteger, checkOptions, checkText, invalid, quote } from '@busbar/api/transport';
import { toSocketPath } from './local/socket-path.ts';
import type { HubProgram } from './local/start-hub.ts';
import { HEARTBEAT_MS } from './wire/protocol.ts';

/** What every link takes. */
export interface LinkOptions {
  /** Isolates whole buses at one hub. 1 to 64 characters `A-Z a-z 0-9 _ - @ / : + ~ .`. Default: the unnamed one. */
  readonly ns?: string;
  /** The only agent that this client speaks for: the hub refuses messages `from` another. Default: any. */
  readonly agent?: string;
  /** How long opening may take, a hub that must be started first included. 100 to 600,000. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** After so long a silence the other end is asked for a sign of life, after three times as long it is given up. 100 to 60,000. Default 3,000. */
  readonly heartbeatMs?: number;
}

/** How to open a transport over a hub on a Unix socket. */
export interface UnixOptions extends LinkOptions {
  /** The socket: at most 103 bytes once it is absolute. */
  readonly path: string;
  /** What starts a hub where none listens. Default: nothing does, and opening rejects with UNAVAILABLE. */
  readonly start?: HubProgram;
}

/** Link options, complete. */
export interface LinkSettings {
  readonly ns: string;
  readonly agent: string | undefined;
  readonly connectTimeoutMs: number;
  readonly heartbeatMs: number;
}

/** Keys of {@link LinkOptions}. */
export const LINK_KEYS: readonly string[] = ['ns', 'agent', 'connectTimeoutMs', 'heartbeatMs'];

/** The settings that `options` make. Throws INVALID_ARGUMENT for what is not legal. */
export function toLinkSettings(options: LinkOptions): LinkSettings {
  const { ns, agent, connectTimeoutMs, heartbeatMs } = options;
  if (ns !== undefined && !(typeof ns === 'string' && /^[A-Za-z0-9_\-@/:+~.]{1,64}$/.test(ns))) {
    throw invalid(`ns is illegal: ${quote(ns)}`, 'Use 1 to 64 characters A-Z a-z 0-9 _ - @ / : + ~ and dots.');
  }
  checkText(agent, 'agent', 255);
  checkInteger(connectTimeoutMs, 'connectTimeoutMs', { min: 100, max: 600_000 });
  checkInteger(heartbeatMs, 'heartbeatMs', { min: 100, max: 60_000 });
  return {
    ns: ns ?? '',
    agent,
    connectTimeoutMs: connectTimeoutMs ?? 10_000,
    heartbeatMs: heartbeatMs ?? HEARTBEAT_MS,
  };
}

/** Checks what {@link UnixOptions} has beside the rest. The absolute path. */
export function checkUnixOptions(options: UnixOptions): string {
  if (typeof options !== 'object' || options === null) {
    throw invalid('openUnix needs options', "Give it at least the path: openUnix({ path: './bus.sock' }).");
  }
  checkOptions(options, ['path', 'start', ...LINK_KEYS], 'unix options');
  return toSocketPath(options.path);
}
