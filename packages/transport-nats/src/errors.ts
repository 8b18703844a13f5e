/** Converts NATS errors to BusbarErrors. */

import { BusbarError, type BusbarErrorOptions, isBusbarError } from '@busbar/api/transport';
import { JetStreamApiError } from '@nats-io/jetstream';
import {
  AuthorizationError,
  ClosedConnectionError,
  ConnectionError,
  NoRespondersError,
  PermissionViolationError,
  RequestError,
  TimeoutError,
  UserAuthenticationExpiredError,
} from '@nats-io/transport-node';

/** An error that JetStream answered with. */
export class ServerRefusal extends BusbarError {
  /** The code of JetStream. */
  readonly refusal: number;
  /** Whether the request was sent more than once. */
  readonly isRepeated: boolean;
  readonly #description: string;

  constructor(refusal: number, description: string, isRepeated = false) {
    const { code, message, hint } = toJetStreamError(refusal, description);
    super(code, message, { hint });
    this.refusal = refusal;
    this.isRepeated = isRepeated;
    this.#description = description;
  }

  /** The same error with other options. */
  with(options: BusbarErrorOptions): BusbarError {
    return toJetStreamError(this.refusal, this.#description, options);
  }
}

/** UNAVAILABLE: the store lost writes before it took this request, which concerns its earlier past. */
export class PastLost extends BusbarError {
  constructor() {
    super('UNAVAILABLE', 'the store lost its latest writes meanwhile', { outcome: 'unknown', hint: 'Receive again.' });
  }
}

/** The error of a request with `isOnce` after a reconnect. */
export class Reconnected extends Error {}

/** Codes of JetStream for storage that is used up: nothing was stored. */
const FULL = new Set([10_023, 10_028, 10_047, 10_077, 10_110, 10_122]);
const JETSTREAM_OFF = new Set([10_039, 10_076]);

/** `value` as a BusbarError. The text of the server is left out: it may contain a secret. */
export function toNatsError(value: unknown, options: BusbarErrorOptions = {}): BusbarError {
  if (isBusbarError(value)) return value;
  if (isDenied(value)) return denied(options, violationOf(value));
  if (value instanceof Error && value.name === 'JetStreamNotEnabled') return noJetStream();
  if (value instanceof JetStreamApiError)
    return toJetStreamError(value.code, value.apiError()?.description ?? '', options);
  if (value instanceof NoRespondersError || value instanceof TimeoutError || value instanceof RequestError) {
    return unavailable('JetStream does not answer', options);
  }
  const code = nativeCode(value);
  if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_|UNABLE_|SELF_SIGNED|EPROTO|HOSTNAME_)/.test(code)) {
    return new BusbarError('UNAVAILABLE', `no trusted connection by TLS (${code})`, {
      hint: 'Name the certificates to trust (ca), and see that the server speaks TLS and its certificate names the host.',
      retryable: false,
      ...options,
    });
  }
  if (value instanceof ConnectionError || value instanceof ClosedConnectionError || code !== '') {
    return unavailable(`the server cannot be reached${code === '' ? '' : ` (${code})`}`, options);
  }
  return new BusbarError('INTERNAL', value instanceof Error ? value.name : 'unknown', { cause: value, ...options });
}

/** `error` as one of Busbar; a refusal of JetStream by its code. */
export function toDriverError(error: unknown, options: BusbarErrorOptions = {}): BusbarError {
  return error instanceof ServerRefusal ? error.with(options) : toNatsError(error, options);
}

/** Handler of errors: a refusal has no effect, other errors are thrown. */
export function ignoreRefusal(error: unknown): void {
  if (!(error instanceof ServerRefusal)) throw error;
}

/** Handler of errors: a refusal with this code has no effect. */
export function ignoreRefusalOf(code: number): (error: unknown) => undefined {
  return (error) => {
    if (!(error instanceof ServerRefusal) || error.refusal !== code) throw error;
    return undefined;
  };
}

/** Whether the server refused a write because another one was first. */
export function isLostRace(error: unknown): boolean {
  return error instanceof ServerRefusal && (error.refusal === 10_071 || error.refusal === 10_164);
}

/** Whether the server has not got all messages of a batch. If its end was repeated, it may have stored them before. */
export function isIncomplete(error: unknown): error is ServerRefusal {
  return error instanceof ServerRefusal && error.refusal === INCOMPLETE;
}

const INCOMPLETE = 10_176;
const TOO_MANY_CONSUMERS = 10_026;

/** Whether the server refused a batch because it has a message with one of its ids. */
export function isDuplicateInBatch(error: unknown): boolean {
  return error instanceof ServerRefusal && error.refusal === 10_201;
}

/** Whether a closed store has refused a write. */
export function isClosedError(error: unknown): boolean {
  return isBusbarError(error) && error.code === 'CONFLICT';
}

/** The results of a batch. Throws the error of the first one if a closed store has refused them all. */
export function throwIfRefused<T extends { readonly error?: BusbarError }>(results: T[]): T[] {
  const [first] = results;
  if (first?.error !== undefined && results.every(({ error }) => isClosedError(error))) throw first.error;
  return results;
}

/** Whether a JetStream error code says that the storage is used up. */
export function isFull(code: number): boolean {
  return FULL.has(code);
}

/** The error of a connection that was not made. Another service may listen at the address, and may say anything or nothing. */
export function toConnectError(value: unknown): BusbarError {
  const error = toNatsError(value);
  if (error.code !== 'INTERNAL' && !(value instanceof TimeoutError)) return error;
  return unavailable('no NATS server answers at this address', { cause: value });
}

/** The error for a JetStream error code. */
export function toJetStreamError(code: number, description: string, options: BusbarErrorOptions = {}): BusbarError {
  if (JETSTREAM_OFF.has(code)) return noJetStream();
  if (isFull(code) || /no space|maximum (bytes|messages)|insufficient/i.test(description)) {
    return new BusbarError('BACKPRESSURE', 'the server has no storage left for JetStream', {
      hint: 'Give JetStream more (max_file_store), or delete streams: claims and settlements need storage, too. Nothing of this call was stored.',
      ...options,
    });
  }
  if (code === TOO_MANY_CONSUMERS) {
    return new BusbarError('BACKPRESSURE', 'the server allows no more consumers (max_consumers)', {
      hint: 'Raise max_consumers of the account to 100,000 or leave it out, and of the stream with nats stream edit: each queue needs at least one.',
      ...options,
    });
  }
  if (code === INCOMPLETE) {
    return unavailable('JetStream did not get all messages of a batch', {
      hint: 'It takes 50 batches at a time from all clients together, and keeps them on its disk. Send again.',
      ...options,
    });
  }
  return unavailable(`JetStream refused (${code})`, options);
}

/** The error of a publish that the client refuses. */
export function toPublishError(error: unknown): BusbarError {
  if (error instanceof Error && /max_payload/.test(error.message)) {
    return new BusbarError('PAYLOAD_TOO_LARGE', 'the server takes no message of this size any more', {
      hint: 'Its max_payload is smaller than when the transport was opened.',
    });
  }
  return toNatsError(error);
}

/** What the server does not permit a user. */
export type Violation = Pick<PermissionViolationError, 'operation' | 'subject'>;

/** `violation`: what the server denied, where it said so. */
export function denied(options: BusbarErrorOptions = {}, violation?: Violation): BusbarError {
  if (violation === undefined) {
    return new BusbarError('PERMISSION_DENIED', 'the server refuses these credentials, or what they ask for', {
      hint: 'Look at user, password, token or seed; the README lists the permissions that a user of Busbar needs.',
      ...options,
    });
  }
  const list = violation.operation === 'publish' ? 'publish' : 'subscribe';
  return new BusbarError('PERMISSION_DENIED', `the server does not permit this user to ${list} ${violation.subject}`, {
    hint: `Add the subject to the ${list} permissions of the user; the README has complete lists.`,
    ...options,
  });
}

function violationOf(value: unknown): Violation | undefined {
  if (value instanceof PermissionViolationError) return value;
  return value instanceof Error ? violationOf(value.cause) : undefined;
}

export function noJetStream(): BusbarError {
  return new BusbarError('UNSUPPORTED', 'JetStream is off on this server', {
    hint: 'Start it with JetStream: nats-server -js -sd FOLDER, or jetstream { } in its configuration.',
  });
}

export function unavailable(message: string, options: BusbarErrorOptions = {}): BusbarError {
  return new BusbarError('UNAVAILABLE', message, {
    hint: 'See that it runs at this address; the transport looks for it by itself.',
    ...options,
  });
}

export function isDenied(value: unknown): boolean {
  return (
    (isBusbarError(value) && value.code === 'PERMISSION_DENIED') ||
    value instanceof AuthorizationError ||
    value instanceof PermissionViolationError ||
    value instanceof UserAuthenticationExpiredError ||
    (value instanceof Error &&
      (isDenied(value.cause) || /authorization violation|permissions violation/i.test(value.message)))
  );
}

function nativeCode(value: unknown): string {
  for (let each = value, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth += 1) {
    const { code } = each as { code?: unknown };
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]*$/.test(code)) return code;
    const [found] = /\bE[A-Z]{4,}\b/.exec(each.message) ?? [];
    if (found !== undefined) return found;
  }
  return '';
}
