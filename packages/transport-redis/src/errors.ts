/** Maps errors of the Redis server and of the connection to Busbar errors. */

import { gateClosed, wrongGateRevision } from '@busbar/api/driver';
import { BusbarError, type BusbarErrorOptions, type GateState, isBusbarError } from '@busbar/api/transport';

type ErrorText = readonly [code: BusbarError['code'], message: string, hint: string];

const DENIED: ErrorText = [
  'PERMISSION_DENIED',
  'the server refuses this user or password',
  'Check user and password. The README lists the permissions that an ACL user needs.',
];
const UNREACHABLE: ErrorText = [
  'UNAVAILABLE',
  'the server cannot be reached',
  'Check the address, that the server runs there, and that no firewall is in between.',
];
const TLS: ErrorText = [
  'UNAVAILABLE',
  'the TLS connection failed or is not trusted',
  'Check that the server speaks TLS, and set tls.ca and tls.serverName to match its certificate.',
];
const NOT_READY: ErrorText = ['UNAVAILABLE', 'the server is not ready yet', 'The transport retries by itself.'];

/** By the first word of an error reply. */
const REPLIES: Readonly<Record<string, ErrorText>> = {
  WRONGPASS: DENIED,
  NOAUTH: DENIED,
  NOPERM: [
    'PERMISSION_DENIED',
    'the ACL user lacks a permission',
    'The README lists the permissions that an ACL user needs.',
  ],
  OOM: [
    'BACKPRESSURE',
    'the memory of the server is full (maxmemory)',
    'Consume faster, purge queues, or raise maxmemory. Nothing of this call was stored.',
  ],
  MISCONF: [
    'BACKPRESSURE',
    'the server cannot write to its disk',
    'Free space in its data directory. Nothing of this call was stored.',
  ],
  LOADING: NOT_READY,
  MASTERDOWN: NOT_READY,
  CLUSTERDOWN: NOT_READY,
  TRYAGAIN: NOT_READY,
  READONLY: ['UNAVAILABLE', 'this server is a replica', 'Connect to the master, or list sentinels and set master.'],
  MOVED: NOT_READY,
  ASK: NOT_READY,
  NOREPLICAS: [
    'UNAVAILABLE',
    'too few replicas are connected (min-replicas-to-write)',
    'Start replicas, or lower that setting.',
  ],
  MAXCLIENTS: [
    'UNAVAILABLE',
    'the server has reached its limit of clients (maxclients)',
    'Raise that setting, or close clients.',
  ],
  BUSY: [
    'UNAVAILABLE',
    'another script blocks the server',
    'End it with `SCRIPT KILL`, or find its client with `CLIENT LIST`.',
  ],
};

/** Replies that changed nothing and ask for another server: the client reconnects and repeats the call there. */
const ELSEWHERE = new Set(['LOADING', 'MASTERDOWN', 'CLUSTERDOWN', 'TRYAGAIN', 'READONLY', 'MOVED', 'ASK']);

const SYSTEM: Readonly<Record<string, ErrorText>> = {
  EACCES: ['PERMISSION_DENIED', 'this user may not open the socket of the server', 'Give this user access to it.'],
  ENOENT: [
    'UNAVAILABLE',
    'the socket of the server does not exist',
    'Check that the server runs, and the path of its socket.',
  ],
  EMFILE: ['UNAVAILABLE', 'this process has too many files open', 'Raise `ulimit -n`.'],
};

/** `value` as a Busbar error. The cause is dropped, since it can hold arguments of commands. */
export function toRedisError(value: unknown, options: BusbarErrorOptions = {}): BusbarError {
  if (isBusbarError(value)) return value;
  const word = firstWord(value);
  if (word === 'GATE') return toGateError((value as Error).message, options);
  const reply = REPLIES[word];
  if (reply !== undefined) return toError(reply, word, options);
  const code = nativeCode(value);
  if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_|UNABLE_|SELF_SIGNED|EPROTO|HOSTNAME_)/.test(code))
    return toError(TLS, code, options);
  if (SYSTEM[code] !== undefined) return toError(SYSTEM[code], code, options);
  if (isLoss(value)) return toError(UNREACHABLE, [code, addressOf(value)].filter(Boolean).join(' '), options);
  const text = value instanceof Error ? value.message : String(value);
  return new BusbarError('INTERNAL', text, options);
}

/** The error of a script that the gate refused: `GATE closed`, `GATE moved PLACE`, or `GATE at STATE REVISION WANTED`. */
function toGateError(text: string, options: BusbarErrorOptions): BusbarError {
  const [, kind = '', ...rest] = text.split(' ');
  const [state = '', revision, wanted] = rest;
  const error =
    kind === 'at'
      ? wrongGateRevision({ state: state as GateState, revision: Number(revision) }, Number(wanted))
      : gateClosed({ state: kind as GateState, movedTo: rest.join(' ') });
  return options.outcome === 'unknown' ? new BusbarError(error.code, error.message, { ...error, ...options }) : error;
}

/** The first word of an error reply, in capitals; empty for other errors. */
export function firstWord(value: unknown): string {
  if (!(value instanceof Error) || value.name !== 'ReplyError') return '';
  // Scripts report a missing permission with another text.
  if (/^ERR The user executing the script can't/.test(value.message)) return 'NOPERM';
  if (/^ERR max number of clients/.test(value.message)) return 'MAXCLIENTS';
  return /^[A-Z]+/.exec(value.message)?.[0] ?? '';
}

/** Whether the server changed nothing and this or another server will accept the call later. */
export function isElsewhere(value: unknown): boolean {
  return ELSEWHERE.has(firstWord(value));
}

/** Whether the connection was lost, so the outcome of the request is unknown. */
export function isLoss(value: unknown): boolean {
  return value instanceof Error && value.name !== 'ReplyError' && !isBusbarError(value);
}

function toError([code, message, hint]: ErrorText, word: string, options: BusbarErrorOptions): BusbarError {
  return new BusbarError(code, word === '' ? message : `${message} (${word})`, { hint, ...options });
}

function nativeCode(value: unknown): string {
  const code = typeof value === 'object' && value !== null ? (value as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : '';
}

/** The address of a lost connection; empty if unknown. */
function addressOf(value: unknown): string {
  const { address } = Object(value) as { address?: unknown };
  return typeof address === 'string' ? address : '';
}

/** Results of messages that failed with `reason`. UNAVAILABLE and CLOSED fail the whole call, so they throw. */
export function toFailures(
  messages: readonly { readonly id: string }[],
  reason: unknown,
): { id: string; status: BusbarError['outcome']; error: BusbarError }[] {
  const error = toRedisError(reason);
  if (error.code === 'UNAVAILABLE' || error.code === 'CLOSED') throw error;
  return messages.map(({ id }) => ({ id, status: error.outcome, error }));
}

/** The results of a call. Throws if the gate refused all of its messages. */
export function notRefused<T extends { readonly error?: BusbarError }>(results: T[]): T[] {
  const [first] = results;
  if (first?.error?.code === 'CONFLICT' && results.every(({ error }) => error?.code === 'CONFLICT')) throw first.error;
  return results;
}
