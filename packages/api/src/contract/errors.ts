/** The error type of Busbar and the closed list of its codes. */

import { ERROR_BRAND, hasBrand, textOf } from './thrown.ts';

/** The codes of errors. Codes are part of the API; messages are for people and may change. */
export const ERROR_CODES = [
  'CLOSED',
  'ABORTED',
  'TIMEOUT',
  'UNAVAILABLE',
  'BACKPRESSURE',
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'CONFLICT',
  'NO_RESPONDER',
  'HANDLER_FAILED',
  'LEASE_LOST',
  'POSITION_EXPIRED',
  'DATA_LOSS',
  'PAYLOAD_TOO_LARGE',
  'PERMISSION_DENIED',
  'UNSUPPORTED',
  'INTERNAL',
] as const;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * The effect of a failed call.
 * - `failed`: it had no effect and never will.
 * - `unknown`: it may have taken effect. Sending again with the same message id is safe (rule RD2).
 */
export type Outcome = 'failed' | 'unknown';

/** The details of a {@link BusbarError}. */
export interface BusbarErrorOptions {
  /** What to do next, in one sentence. */
  readonly hint?: string | undefined;
  /** The operation that failed, such as `queues.send`. */
  readonly operation?: string | undefined;
  /** The transport, such as `sqlite`. */
  readonly transport?: string | undefined;
  /** Default `failed`. */
  readonly outcome?: Outcome | undefined;
  /** Whether the same call may succeed later. Default: true for UNAVAILABLE, TIMEOUT, BACKPRESSURE and NO_RESPONDER. */
  readonly retryable?: boolean | undefined;
  readonly cause?: unknown | undefined;
}

const RETRYABLE: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'TIMEOUT', 'BACKPRESSURE', 'NO_RESPONDER']);

/** The error of every operation of Busbar. Recognise it with {@link isBusbarError}. */
export class BusbarError extends Error {
  override readonly name = 'BusbarError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly outcome: Outcome;
  readonly hint: string | undefined;
  readonly operation: string | undefined;
  readonly transport: string | undefined;

  constructor(code: ErrorCode, message: string, options: BusbarErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? RETRYABLE.has(code);
    this.outcome = options.outcome ?? 'failed';
    this.hint = options.hint;
    this.operation = options.operation;
    this.transport = options.transport;
    Object.defineProperty(this, ERROR_BRAND, { value: true });
  }

  /** The same error with its operation and transport, if they were unknown. */
  at(operation: string, transport: string): BusbarError {
    if (this.operation !== undefined && this.transport !== undefined) return this;
    const { code, message, hint, outcome, retryable } = this;
    const completed = new BusbarError(code, message, {
      operation: this.operation ?? operation,
      transport: this.transport ?? transport,
      outcome,
      retryable,
      ...(hint === undefined ? {} : { hint }),
      ...(this.cause === undefined ? {} : { cause: this.cause }),
    });
    if (this.stack !== undefined) completed.stack = this.stack;
    return completed;
  }

  /** Plain JSON: code, message, hint, operation, transport, retryable, outcome; without the cause. */
  toJSON(): Record<string, unknown> {
    const { code, message, hint, operation, transport, retryable, outcome } = this;
    return { code, message, hint, operation, transport, retryable, outcome };
  }
}

/** Whether `value` is an error of Busbar, also one of another copy of this package. */
export function isBusbarError(value: unknown): value is BusbarError {
  return hasBrand(value, ERROR_BRAND);
}

/** `value` itself if it is an error of Busbar, else INTERNAL with `value` as its cause. Never throws. */
export function toBusbarError(value: unknown): BusbarError {
  return isBusbarError(value) ? value : new BusbarError('INTERNAL', textOf(value), { cause: value });
}

/** PAYLOAD_TOO_LARGE for a body that is over the limit of its transport. */
export function bodyTooLarge(byteLength: number, limit: number): BusbarError {
  return new BusbarError('PAYLOAD_TOO_LARGE', `the body has ${byteLength} bytes, the limit is ${limit}`, {
    hint: 'Store large data elsewhere and send where it is.',
  });
}

/** INVALID_ARGUMENT with a hint. */
export function invalid(message: string, hint: string): BusbarError {
  return new BusbarError('INVALID_ARGUMENT', message, { hint });
}

/**
 * For `import('name').catch(missingPackage('name'))`: UNAVAILABLE with the command that installs the package, or a dependency of it.
 * Bundlers accept an absent package in an import of this form. UNSUPPORTED in a bundle that cannot load the package.
 */
export function missingPackage(name: string): (error: unknown) => never {
  return (error) => {
    const { code, message } = error as { readonly code?: unknown; readonly message: string };
    // Of esbuild, in an ESM bundle.
    if (message.startsWith('Dynamic require of')) throw notInBundle(`this bundle cannot load ${name}`, error);
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error;
    const missing = /'((?:@[^/']+\/)?[^/'.][^/']*)'/.exec(message)?.[1] ?? name;
    throw new BusbarError('UNAVAILABLE', `the package ${missing} is not installed`, {
      hint: `npm install ${missing}`,
      retryable: false,
      cause: error,
    });
  };
}

/** UNSUPPORTED for what was bundled in a way that does not work. */
export function notInBundle(message: string, cause: unknown): BusbarError {
  return new BusbarError('UNSUPPORTED', message, {
    hint: '"In a bundle" in the README of busbar has the options: --external for packages with binaries, and require for ESM.',
    cause,
  });
}
