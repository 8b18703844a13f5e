/** What SQLite and the file system say, as errors of Busbar. */

import { BusbarError, type BusbarErrorOptions, isBusbarError } from '@busbar/api/transport';

type Code = BusbarError['code'];
type Meaning = readonly [code: Code, message: string, hint: string];

const LOCKED: Meaning = [
  'UNAVAILABLE',
  'another process keeps the store locked',
  'Look for a process that is stopped or stuck while it writes; the call is safe to repeat.',
];
const DENIED: Meaning = [
  'PERMISSION_DENIED',
  'the store may not be written',
  'Give this user write access to the file and to its folder: SQLite keeps a -wal and a -shm file beside it.',
];
const FULL: Meaning = [
  'BACKPRESSURE',
  'the disk is full',
  'Free space where the store lies; nothing of this call was stored.',
];
const DAMAGED: Meaning = [
  'INTERNAL',
  'the store is damaged',
  'Stop every process that uses it, keep a copy, and restore a backup or try `sqlite3 copy.db .recover`.',
];

const THROUGH_A_FILE: Meaning = [
  'INVALID_ARGUMENT',
  'the path of the store leads through a file',
  'Name another file.',
];

const MEANINGS: Readonly<Record<string, Meaning>> = {
  SQLITE_BUSY: LOCKED,
  SQLITE_LOCKED: LOCKED,
  SQLITE_PROTOCOL: LOCKED,
  SQLITE_FULL: FULL,
  SQLITE_CORRUPT: DAMAGED,
  SQLITE_NOTADB: [
    'INVALID_ARGUMENT',
    'the file is not a SQLite database',
    'Name another file; this one was left as it is.',
  ],
  SQLITE_READONLY: DENIED,
  SQLITE_PERM: DENIED,
  SQLITE_AUTH: DENIED,
  SQLITE_CANTOPEN: [
    'PERMISSION_DENIED',
    'the store cannot be opened',
    'See that its folder exists and may be written.',
  ],
  SQLITE_IOERR: ['UNAVAILABLE', 'the disk failed to read or write', 'Look at the disk and at the log of the system.'],
  SQLITE_NOMEM: ['BACKPRESSURE', 'there is not enough memory', 'Send smaller batches, or fewer at once.'],
  SQLITE_TOOBIG: ['PAYLOAD_TOO_LARGE', 'the message is larger than SQLite takes', 'Store large data elsewhere.'],
  EACCES: DENIED,
  EPERM: DENIED,
  EROFS: DENIED,
  ENOSPC: FULL,
  EDQUOT: FULL,
  ENOENT: ['NOT_FOUND', 'the folder of the store is not there', 'Create it, or name another file.'],
  ENOTDIR: THROUGH_A_FILE,
  EEXIST: THROUGH_A_FILE,
  EMFILE: ['UNAVAILABLE', 'this process has too many files open', 'Raise `ulimit -n`.'],
  ENFILE: ['UNAVAILABLE', 'this machine has too many files open', 'Close some.'],
};

/** `value` as an error of Busbar: the one place where a native error gets its code. */
export function toStoreError(value: unknown, options: BusbarErrorOptions = {}): BusbarError {
  if (isBusbarError(value)) return value;
  const code = nativeCode(value);
  const meaning = MEANINGS[code] ?? MEANINGS[primary(code)];
  const text = value instanceof Error ? value.message : String(value);
  if (meaning === undefined) return new BusbarError('INTERNAL', text, { ...options, cause: value });
  const [busbarCode, message, hint] = meaning;
  return new BusbarError(busbarCode, `${message} (${code})`, { hint, ...options, cause: value });
}

/** Whether `value` says that another process holds a lock, so that trying again will do. */
export function isBusy(value: unknown): boolean {
  const code = primary(nativeCode(value));
  return code === 'SQLITE_BUSY' || code === 'SQLITE_LOCKED' || code === 'SQLITE_PROTOCOL';
}

/** Whether `value` says that the disk is full. */
export function isFull(value: unknown): boolean {
  return primary(nativeCode(value)) === 'SQLITE_FULL';
}

function nativeCode(value: unknown): string {
  const code = typeof value === 'object' && value !== null ? (value as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : '';
}

/** SQLITE_IOERR_FSYNC belongs to SQLITE_IOERR. */
function primary(code: string): string {
  return code.split('_').slice(0, 2).join('_');
}
