/** The one error type of Busbar, and the closed list of its codes. */

/** Every code an error of Busbar can carry. The code is API; the message is for people and may change. */
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
  'PAYLOAD_TOO_LARGE',
  'PERMISSION_DENIED',
  'UNSUPPORTED',
  'INTERNAL',
] as const;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * What became of the call that failed.
 * - `failed`: it had no effect and never will have one.
 * - `unknown`: it may have taken effect; sending again with the same message id is safe (rule RD2).
 */
export type Outcome = 'failed' | 'unknown';

/** What a {@link BusbarError} says beside its code and message. */
export interface BusbarErrorOptions {
  /** What to do next, one sentence. */
  readonly hint?: string | undefined;
  /** The operation that failed, such as `queues.send`. */
  readonly operation?: string | undefined;
  /** Name of the transport it failed on, such as `sqlite`. */
  readonly transport?: string | undefined;
  /** Default `failed`. */
  readonly outcome?: Outcome | undefined;
  /** Whether the same call may succeed later. Default: by code (UNAVAILABLE, TIMEOUT, BACKPRESSURE are). */
  readonly retryable?: boolean | undefined;
  readonly cause?: unknown | undefined;
}

const RETRYABLE: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'TIMEOUT', 'BACKPRESSURE', 'NO_RESPONDER']);
const BRAND = Symbol.for('busbar.error');

/** The error that every operation of Busbar throws or rejects with. Recognise it with {@link isBusbarError}. */
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
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** The same error with what was not known where it arose: its operation and its transport. */
  at(operation: string, transport: string): BusbarError {
    if (this.operation !== undefined && this.transport !== undefined) return this;
    const { code, message, hint, outcome, retryable } = this;
    const located = new BusbarError(code, message, {
      operation: this.operation ?? operation,
      transport: this.transport ?? transport,
      outcome,
      retryable,
      ...(hint === undefined ? {} : { hint }),
      ...(this.cause === undefined ? {} : { cause: this.cause }),
    });
    if (this.stack !== undefined) located.stack = this.stack;
    return located;
  }

  /** Plain JSON: code, message, hint, operation, transport, retryable, outcome. The cause stays behind. */
  toJSON(): Record<string, unknown> {
    const { code, message, hint, operation, transport, retryable, outcome } = this;
    return { code, message, hint, operation, transport, retryable, outcome };
  }
}

/** True for an error of Busbar, also one from another copy of this package. */
export function isBusbarError(value: unknown): value is BusbarError {
  return typeof value === 'object' && value !== null && BRAND in value;
}

/** `value` itself when it is an error of Busbar, else an INTERNAL one with `value` as its cause. */
export function toBusbarError(value: unknown): BusbarError {
  if (isBusbarError(value)) return value;
  const text = value instanceof Error ? value.message : String(value);
  return new BusbarError('INTERNAL', text, { cause: value });
}

/** INVALID_ARGUMENT with a hint: bad input, refused before any effect. */
export function invalid(message: string, hint: string): BusbarError {
  return new BusbarError('INVALID_ARGUMENT', message, { hint });
}
