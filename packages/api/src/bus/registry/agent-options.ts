/** The options of an agent, with their defaults. */

import type { CallOptions } from '../../contract/call-options.ts';
import {
  checkArray,
  checkBoolean,
  checkCallback,
  checkDuration,
  checkInteger,
  checkOptions,
  checkText,
} from '../../contract/validation.ts';
import {
  type Complete,
  checkRetry,
  type RetryFunction,
  type RetryPolicy,
  type RetryRule,
} from '../consuming/backoff.ts';
import type { InvalidRule } from '../consuming/failure.ts';
import { checkOnInvalid, checkOpen } from '../consuming/options.ts';
import { PRESENCE_RANGE } from '../options.ts';

/** Options of an agent. */
export interface AgentOptions {
  /** Bounds the opening. `timeoutMs` is for all of it; by default each of its calls has that of the transport. */
  readonly open?: CallOptions | undefined;
  /** Capabilities that others can address, at most 100 of 1 to 255 characters. */
  readonly capabilities?: readonly string[] | undefined;
  /** How many handlers run at a time, for messages and for requests each, 1 to 10,000. Default 16. */
  readonly maxConcurrent?: number | undefined;
  /** How long it counts as online after its last heartbeat. Default: the bus's `presenceTtlMs`. */
  readonly presenceTtlMs?: number | undefined;
  /** A description for people, at most 1,000 characters. */
  readonly note?: string | undefined;
  /** Whether it is online and serves requests. With false it only has an inbox. Default true. */
  readonly presence?: boolean | undefined;
  /** Whether it has an inbox, an identity and presence. With false it can only send. Default true. */
  readonly register?: boolean | undefined;
  /** When a failed message is retried. */
  readonly retry?: RetryPolicy | RetryFunction | undefined;
  /** What to do with a body that does not match its schema: see the `onInvalid` of a worker. Default `retry`. */
  readonly onInvalid?: InvalidRule | undefined;
  /** The lease of its messages, 50 to 43,200,000. Default 30,000. It is renewed while the handler runs. */
  readonly leaseMs?: number | undefined;
  /** The attempts before a message becomes a dead letter, 1 to 1,000. Default 5. */
  readonly maxAttempts?: number | undefined;
  /** Called after it counted as offline because of a pause longer than `presenceTtlMs`. It is online again. */
  readonly onEvicted?: (() => void) | undefined;
}

type Defaulted = 'capabilities' | 'maxConcurrent' | 'presenceTtlMs' | 'presence' | 'register';

/** Checked options with defaults. */
export type AgentSettings = Omit<AgentOptions, Defaulted | 'retry'> &
  Complete<Pick<AgentOptions, Defaulted>> & { readonly retry: RetryRule };

const KEYS = [
  ...[
    'capabilities',
    'maxConcurrent',
    'presenceTtlMs',
    'note',
    'presence',
    'register',
    'retry',
    'onInvalid',
    'leaseMs',
  ],
  ...['maxAttempts', 'onEvicted', 'open'],
];

/** Checks the options of an agent and adds defaults. */
export function checkAgentOptions(options: AgentOptions, presenceTtlMs: number): AgentSettings {
  checkOptions(options, KEYS, 'agent options');
  checkOpen(options.open);
  checkArray(options.capabilities ?? [], 'capabilities', 100);
  for (const capability of options.capabilities ?? []) checkText(capability ?? null, 'a capability', 255);
  checkInteger(options.maxConcurrent, 'maxConcurrent', { min: 1, max: 10_000 });
  checkDuration(options.presenceTtlMs, 'presenceTtlMs', PRESENCE_RANGE);
  checkText(options.note, 'note', 1000);
  checkBoolean(options.presence, 'presence');
  checkBoolean(options.register, 'register');
  checkOnInvalid(options.onInvalid);
  checkDuration(options.leaseMs, 'leaseMs', { min: 50, max: 43_200_000 });
  checkInteger(options.maxAttempts, 'maxAttempts', { min: 1, max: 1000 });
  if (options.onEvicted !== undefined) checkCallback(options.onEvicted, 'onEvicted');
  const register = options.register ?? true;
  return Object.freeze({
    ...options,
    capabilities: [...new Set(options.capabilities ?? [])].sort(),
    maxConcurrent: options.maxConcurrent ?? 16,
    presenceTtlMs: options.presenceTtlMs ?? presenceTtlMs,
    presence: register && (options.presence ?? true),
    register,
    retry: checkRetry(options.retry),
  });
}
