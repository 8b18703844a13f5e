/** What a client in a process of its own and its parent say to each other; structured clone carries it. */

import { BusbarError, type ErrorCode, isBusbarError } from '@busbar/api';
import type { BusbarErrorOptions } from '@busbar/api/transport';
import type { Seen } from '../context/recorder.ts';
import type { Opener } from '../harness.ts';

/** The first message to the process, then one per call. */
export type ToClient =
  | { readonly kind: 'start'; readonly opener: Opener }
  | { readonly kind: 'call'; readonly id: number; readonly method: Method; readonly args: readonly unknown[] };

/** What a client can be asked for. */
export type Method =
  | 'send'
  | 'receive'
  | 'settle'
  | 'publish'
  | 'put'
  | 'get'
  | 'run'
  | 'produce'
  | 'consume'
  | 'stopLoad'
  | 'block'
  | 'shiftClock'
  | 'close';

/** What the process says. The reply to `produce` and `consume` is the number of the load. */
export type FromClient =
  | { readonly kind: 'started' }
  | { readonly kind: 'refused'; readonly error: WireError }
  | { readonly kind: 'reply'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: WireError }
  | LoadNews;

/** What to send; without a count until it is stopped. */
export interface ProduceOptions {
  readonly prefix: string;
  readonly count?: number;
  /** Messages in one call. Default 1. */
  readonly batch?: number;
  /** Bodies are the id, filled up with dots to this length. Default: the id alone. */
  readonly bodyBytes?: number;
}

/** What to receive. */
export interface ConsumeOptions {
  readonly max?: number;
  /** Default true. */
  readonly ack?: boolean;
  /** How long each batch is worked on before it is acked. Default 0. */
  readonly workMs?: number;
}

/** What a load has done since it last told. */
export interface LoadNews {
  readonly kind: 'load';
  readonly load: number;
  readonly sent?: readonly string[];
  readonly acked?: readonly string[];
  readonly seen?: readonly Seen[];
  readonly slowestMs?: number;
  readonly over?: true;
  readonly error?: WireError;
}

/** An error on its way to another process. */
export interface WireError {
  readonly wireError: true;
  /** Undefined for an error that is not one of Busbar's. */
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly options: BusbarErrorOptions;
}

/** The error, ready for the way. */
export function packError(error: unknown): WireError {
  const message = error instanceof Error ? error.message : String(error);
  if (!isBusbarError(error)) return { wireError: true, code: undefined, message, options: {} };
  const { code, hint, operation, transport, outcome, retryable } = error;
  const known = Object.entries({ hint, operation, transport, outcome, retryable }).filter(
    ([, value]) => value !== undefined,
  );
  return { wireError: true, code, message, options: Object.fromEntries(known) };
}

/** The error as it was, without its stack and cause. */
export function unpackError({ code, message, options }: WireError): Error {
  return code === undefined ? new Error(message) : new BusbarError(code, message, options);
}

/** Results with their errors ready for the way. */
export function packResults(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((item: unknown) => (hasError(item) ? { ...item, error: packError(item.error) } : item));
}

/** Results with their errors as they were. */
export function unpackResults(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((item: unknown) =>
    hasError(item) && isWireError(item.error) ? { ...item, error: unpackError(item.error) } : item,
  );
}

function hasError(value: unknown): value is { error: unknown } {
  return typeof value === 'object' && value !== null && 'error' in value && value.error !== undefined;
}

function isWireError(value: unknown): value is WireError {
  return typeof value === 'object' && value !== null && 'wireError' in value;
}
