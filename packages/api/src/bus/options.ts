/** The options of a bus, with their defaults. */

import { invalid } from '../contract/errors.ts';
import {
  checkArray,
  checkBoolean,
  checkCallback,
  checkDuration,
  checkInteger,
  checkOptions,
  checkText,
  MAX_TIMER_MS,
} from '../contract/validation.ts';
import { withTimeout } from './bounded-wait.ts';
import type { Codec } from './messages/codec.ts';
import type { Middleware } from './middleware.ts';
import type { ErrorListener } from './observing/background-failure.ts';
import { checkLogger, type Logger } from './observing/logger.ts';

/** Options of `openBus`. */
export interface BusOptions {
  /** Encodes bodies. Default JSON. */
  readonly codec?: Codec | undefined;
  /** Decode bodies, besides `codec` and JSON. */
  readonly codecs?: readonly Codec[] | undefined;
  /** Runs around sending and handling. The first is the outermost. */
  readonly middleware?: readonly Middleware[] | undefined;
  /** Receives failures that no caller waits for. What it throws is ignored. Default: they go to `logger`. */
  readonly onError?: ErrorListener | undefined;
  /** Gets failures if there is no `onError`. Default: the first failure of each place is a warning of the process. */
  readonly logger?: Logger | undefined;
  /** How long an agent counts as online after its last heartbeat, 100 to 3,600,000. Default 10,000. It sends three in that time. */
  readonly presenceTtlMs?: number | undefined;
  /** The process of the bus, for operators. Default: its pid, if there is one. */
  readonly identity?: Identity | undefined;
  /** Whether closing the bus closes the transport. Default true. */
  readonly ownsTransport?: boolean | undefined;
}

/** How to wait for handlers that run. */
export interface DrainOptions {
  /** Stop waiting after this time, 0 to 2^31-1. Default: no limit. */
  readonly timeoutMs?: number | undefined;
}

/** How to close a bus, an agent, a worker or a subscription. */
export interface CloseOptions {
  /** How long running handlers may go on, 0 to 2^31-1. Default 5,000. Then their signal fires and their messages are released. */
  readonly drainMs?: number | undefined;
}

/** The process behind a bus. */
export interface Identity {
  readonly pid?: number | undefined;
  readonly host?: string | undefined;
}

/** Checked options with defaults. */
export interface BusSettings {
  readonly onError: ErrorListener | undefined;
  readonly logger: Logger | undefined;
  readonly presenceTtlMs: number;
  readonly identity: { readonly pid: number | undefined; readonly host: string | undefined };
  readonly ownsTransport: boolean;
}

const KEYS = ['codec', 'codecs', 'middleware', 'onError', 'logger', 'presenceTtlMs', 'identity', 'ownsTransport'];
/** The bounds of every presence TTL. */
export const PRESENCE_RANGE = { min: 100, max: 3_600_000 };

/** Checks options and adds defaults. Codecs and middleware are checked where they are used. */
export function checkBusOptions(options: BusOptions): BusSettings {
  checkOptions(options, KEYS, 'bus options');
  if (options.onError !== undefined) checkCallback(options.onError, 'onError');
  checkLogger(options.logger);
  checkDuration(options.presenceTtlMs, 'presenceTtlMs', PRESENCE_RANGE);
  checkBoolean(options.ownsTransport, 'ownsTransport');
  checkArray(options.middleware ?? [], 'middleware', 1000);
  return Object.freeze({
    onError: options.onError,
    logger: options.logger,
    presenceTtlMs: options.presenceTtlMs ?? 10_000,
    identity: checkIdentity(options.identity),
    ownsTransport: options.ownsTransport ?? true,
  });
}

function checkIdentity(identity: Identity | undefined): BusSettings['identity'] {
  checkOptions(identity, ['pid', 'host'], 'identity');
  checkInteger(identity?.pid, 'identity.pid', { min: 0, max: Number.MAX_SAFE_INTEGER });
  checkText(identity?.host, 'identity.host', 255);
  return Object.freeze({ pid: identity?.pid ?? globalThis.process?.pid, host: identity?.host });
}

/** Throws INVALID_ARGUMENT unless `transport` looks like a transport. */
export function checkTransport(transport: unknown): void {
  const isTransport =
    typeof transport === 'object' && transport !== null && 'queues' in transport && 'capabilities' in transport;
  if (!isTransport)
    throw invalid('openBus needs a transport', 'Open one first, such as openMemory(), or use connect().');
}

const DEFAULT_DRAIN_MS = 5000;

/** How long closing waits for handlers. Throws INVALID_ARGUMENT. */
export function checkClose(options: CloseOptions | undefined, keys: readonly string[] = ['drainMs']): number {
  checkOptions(options, keys, 'close options');
  checkDuration(options?.drainMs, 'drainMs', { min: 0, max: MAX_TIMER_MS });
  return options?.drainMs ?? DEFAULT_DRAIN_MS;
}

/** Runs `drain`. Resolves with whether it ended in time; rejects with INVALID_ARGUMENT before it begins. */
export async function drainWithin(options: DrainOptions | undefined, drain: () => Promise<unknown>): Promise<boolean> {
  checkOptions(options, ['timeoutMs'], 'drain options');
  checkDuration(options?.timeoutMs, 'timeoutMs', { min: 0, max: MAX_TIMER_MS });
  const drained = drain();
  if (options?.timeoutMs !== undefined) return withTimeout(drained, options.timeoutMs);
  await drained;
  return true;
}
