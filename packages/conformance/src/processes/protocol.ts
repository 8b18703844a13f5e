/** Messages between a client process and its parent, sent by structured clone. */

import { BusbarError, type ErrorCode, isBusbarError } from '@busbar/api';
import type { BusbarErrorOptions } from '@busbar/api/transport';
import type { RecordedDelivery } from '../context/recorder.ts';
import type { Opener } from '../harness.ts';

/** Messages to the client process: `start` first, then one per call. */
export type ToClient =
  | { readonly kind: 'start'; readonly opener: Opener }
  | { readonly kind: 'call'; readonly id: number; readonly method: Method; readonly args: readonly unknown[] };

/** Methods of a client process. */
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
  | 'close'
  | 'leave';

/** Messages from the client process. `produce` and `consume` respond with the number of the load. */
export type FromClient =
  | { readonly kind: 'started' }
  | { readonly kind: 'refused'; readonly error: WireError }
  | { readonly kind: 'response'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: WireError }
  | LoadProgress;

/** Messages to send. Without `count` the load runs until it is stopped. */
export interface ProduceOptions {
  readonly prefix: string;
  readonly count?: number;
  /** Messages per call. Default 1. */
  readonly batch?: number;
  /** Bodies are the id, padded with dots to this length. Default: the id alone. */
  readonly bodyBytes?: number;
}

/** Messages to receive. */
export interface ConsumeOptions {
  readonly max?: number;
  /** Default true. */
  readonly ack?: boolean;
  /** Delay before each batch is acked. Default 0. */
  readonly workMs?: number;
}

/** When a call began and ended, in milliseconds since 1970. */
export interface TimedCall {
  readonly began: number;
  readonly ended: number;
}

/** Progress of a load since its last report. */
export interface LoadProgress {
  readonly kind: 'load';
  readonly load: number;
  readonly sent?: readonly string[];
  readonly acked?: readonly string[];
  readonly seen?: readonly RecordedDelivery[];
  readonly calls?: readonly TimedCall[];
  readonly over?: true;
  readonly error?: WireError;
}

/** A serialized error. */
export interface WireError {
  readonly wireError: true;
  /** Undefined if it is not a BusbarError. */
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly options: BusbarErrorOptions;
}

/** Serializes an error. */
export function packError(error: unknown): WireError {
  const message = error instanceof Error ? error.message : String(error);
  if (!isBusbarError(error)) return { wireError: true, code: undefined, message, options: {} };
  const { code, hint, operation, transport, outcome, retryable } = error;
  const known = Object.entries({ hint, operation, transport, outcome, retryable }).filter(
    ([, value]) => value !== undefined,
  );
  return { wireError: true, code, message, options: Object.fromEntries(known) };
}

/** Deserializes an error, without its stack and cause. */
export function unpackError({ code, message, options }: WireError): Error {
  return code === undefined ? new Error(message) : new BusbarError(code, message, options);
}

/** Serializes the errors of results. */
export function packResults(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((item: unknown) => (hasError(item) ? { ...item, error: packError(item.error) } : item));
}

/** Deserializes the errors of results. */
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
