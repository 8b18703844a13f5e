/** What a Redis server and the way to it say, as errors of Busbar. */

import { BusbarError, type BusbarErrorOptions, isBusbarError } from '@busbar/api/transport';

type Meaning = readonly [code: BusbarError['code'], message: string, hint: string];

const DENIED: Meaning = [
  'PERMISSION_DENIED',
  'the server refuses this user or password',
  'Look at user and password; the README lists what an ACL user of Busbar needs.',
];
const AWAY: Meaning = [
  'UNAVAILABLE',
  'the server cannot be reached',
  'See that it runs at this address, and that nothing is in between.',
];
const TLS: Meaning = [
  'UNAVAILABLE',
  'no trusted connection by TLS',
  'Name the certificates to trust (ca) and the name of the server (serverName), and see that it speaks TLS.',
];
const NOT_NOW: Meaning = ['UNAVAILABLE', 'the server does not serve yet', 'It is looked for again by itself.'];

/** By the first word of what a server says. */
const REPLIES: Readonly<Record<string, Meaning>> = {
  WRONGPASS: DENIED,
  NOAUTH: DENIED,
  NOPERM: [
    'PERMISSION_DENIED',
    'the user of this bus lacks a permission',
    'The README lists what an ACL user of Busbar needs.',
  ],
  OOM: [
    'BACKPRESSURE',
    'the server has used up its memory (maxmemory)',
    'Consume faster, purge, or give it more; nothing of this call was stored.',
  ],
  MISCONF: [
    'BACKPRESSURE',
    'the server cannot write to its disk',
    'Free space where it keeps its data; nothing of this call was stored.',
  ],
  LOADING: NOT_NOW,
  MASTERDOWN: NOT_NOW,
  CLUSTERDOWN: NOT_NOW,
  TRYAGAIN: NOT_NOW,
  READONLY: [
    'UNAVAILABLE',
    'this server is a replica',
    'It is looked for the master by itself; name sentinels or the master.',
  ],
  MOVED: NOT_NOW,
  ASK: NOT_NOW,
  NOREPLICAS: [
    'UNAVAILABLE',
    'too few replicas take part (min-replicas-to-write)',
    'Start them, or lower that setting.',
  ],
  MAXCLIENTS: [
    'UNAVAILABLE',
    'the server has as many clients as it takes (maxclients)',
    'Raise that setting, or close some.',
  ],
  BUSY: ['UNAVAILABLE', 'another script keeps the server busy', 'Look for who runs it.'],
};

/** Those after which a server is looked for anew: nothing was done, and the call goes to that one. */
const ELSEWHERE = new Set(['LOADING', 'MASTERDOWN', 'CLUSTERDOWN', 'TRYAGAIN', 'READONLY', 'MOVED', 'ASK']);

const SYSTEM: Readonly<Record<string, Meaning>> = {
  EACCES: ['PERMISSION_DENIED', 'the socket of the server may not be opened', 'Give this user access to it.'],
  ENOENT: ['UNAVAILABLE', 'there is no socket of a server', 'See that the server runs, and where its socket is.'],
  EMFILE: ['UNAVAILABLE', 'this process has too many files open', 'Raise `ulimit -n`.'],
};

/** `value` as an error of Busbar: the one place where a native error gets its code. Its cause holds no arguments. */
export function toRedisError(value: unknown, options: BusbarErrorOptions = {}): BusbarError {
  if (isBusbarError(value)) return value;
  const word = firstWord(value);
  const meaning = REPLIES[word];
  if (meaning !== undefined) return make(meaning, word, options);
  const code = nativeCode(value);
  if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_|UNABLE_|SELF_SIGNED|EPROTO|HOSTNAME_)/.test(code))
    return make(TLS, code, options);
  if (SYSTEM[code] !== undefined) return make(SYSTEM[code], code, options);
  if (isLoss(value)) return make(AWAY, [code, placeOf(value)].filter(Boolean).join(' '), options);
  const text = value instanceof Error ? value.message : String(value);
  return new BusbarError('INTERNAL', text, options);
}

/** The first word of what a server replied, in capitals; empty where it was none. */
export function firstWord(value: unknown): string {
  if (!(value instanceof Error) || value.name !== 'ReplyError') return '';
  // Within a script a missing permission is told in other words.
  if (/^ERR The user executing the script can't/.test(value.message)) return 'NOPERM';
  if (/^ERR max number of clients/.test(value.message)) return 'MAXCLIENTS';
  return /^[A-Z]+/.exec(value.message)?.[0] ?? '';
}

/** Whether nothing was done since this server cannot do it now, while it or another one will. */
export function isElsewhere(value: unknown): boolean {
  return ELSEWHERE.has(firstWord(value));
}

/** Whether the connection was lost, so that nobody knows what became of what was asked. */
export function isLoss(value: unknown): boolean {
  return value instanceof Error && value.name !== 'ReplyError' && !isBusbarError(value);
}

function make([code, message, hint]: Meaning, word: string, options: BusbarErrorOptions): BusbarError {
  return new BusbarError(code, word === '' ? message : `${message} (${word})`, { hint, ...options });
}

function nativeCode(value: unknown): string {
  const code = typeof value === 'object' && value !== null ? (value as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : '';
}

/** The address of a connection that was lost; empty where it is not known. */
function placeOf(value: unknown): string {
  const { place } = Object(value) as { place?: unknown };
  return typeof place === 'string' ? place : '';
}
