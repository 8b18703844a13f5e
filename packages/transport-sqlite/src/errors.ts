/** Converts errors of SQLite and the file system to BusbarErrors. */

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
  'the store is not writable',
  'Give this user write access to the file and its folder: SQLite keeps a -wal and a -shm file beside it.',
];
const FULL: Meaning = [
  'BACKPRESSURE',
  'the disk is full',
  'Free space on the disk of the store; this call stored nothing.',
];
const DAMAGED: Meaning = [
  'INTERNAL',
  'the store is damaged',
  'Stop every process that uses it, keep a copy, and restore a backup or try `sqlite3 copy.db .recover`.',
];

const NOT_A_FOLDER: Meaning = [
  'INVALID_ARGUMENT',
  'a part of the path of the store is a file, not a folder',
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
    'Name another file; this one was not changed.',
  ],
  SQLITE_READONLY: DENIED,
  SQLITE_PERM: DENIED,
  SQLITE_AUTH: DENIED,
  SQLITE_CANTOPEN: ['PERMISSION_DENIED', 'the store cannot be opened', 'Check that its folder exists and is writable.'],
  SQLITE_IOERR: [
    'UNAVAILABLE',
    'the disk failed to read or write',
    'Check the disk, its quota and the limit for the size of a file (ulimit -f), and the system log.',
  ],
  SQLITE_NOMEM: ['BACKPRESSURE', 'SQLite is out of memory', 'Send smaller batches, or fewer at once.'],
  SQLITE_TOOBIG: ['PAYLOAD_TOO_LARGE', 'the message is too large for SQLite', 'Store large data elsewhere.'],
  EACCES: DENIED,
  EPERM: DENIED,
  EROFS: DENIED,
  ENOSPC: FULL,
  EDQUOT: FULL,
  ENOENT: ['NOT_FOUND', 'the folder of the store does not exist', 'Create it, or name another file.'],
  ENAMETOOLONG: ['INVALID_ARGUMENT', 'the path of the store is too long', 'Name a file with a shorter name.'],
  ELOOP: ['INVALID_ARGUMENT', 'the path of the store has a loop of links', 'Name another file.'],
  ENOTDIR: NOT_A_FOLDER,
  EEXIST: NOT_A_FOLDER,
  EMFILE: ['UNAVAILABLE', 'this process has too many open files', 'Raise `ulimit -n`.'],
  ENFILE: ['UNAVAILABLE', 'this machine has too many open files', 'Close some of them.'],
};

/** Converts `value` to a BusbarError. All native errors get their code here. */
export function toStoreError(value: unknown, options: BusbarErrorOptions = {}): BusbarError {
  if (isBusbarError(value)) return value;
  const code = nativeCode(value);
  const meaning = MEANINGS[code] ?? MEANINGS[primary(code)];
  const text = value instanceof Error ? value.message : String(value);
  if (meaning === undefined) return new BusbarError('INTERNAL', text, { ...options, cause: value });
  const [busbarCode, message, hint] = meaning;
  return new BusbarError(busbarCode, `${message} (${code})`, { hint, ...options, cause: value });
}

/** Whether `value` means that another process holds a lock, so that a retry makes sense. */
export function isBusy(value: unknown): boolean {
  const code = primary(nativeCode(value));
  return code === 'SQLITE_BUSY' || code === 'SQLITE_LOCKED' || code === 'SQLITE_PROTOCOL';
}

/** Whether `value` means that the disk may be full. */
export function isDiskFull(value: unknown): boolean {
  // A quota that is used up is an error of the write.
  return primary(nativeCode(value)) === 'SQLITE_FULL' || nativeCode(value) === 'SQLITE_IOERR_WRITE';
}

function nativeCode(value: unknown): string {
  const code = typeof value === 'object' && value !== null ? (value as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : '';
}

/** For example SQLITE_IOERR for SQLITE_IOERR_FSYNC. */
function primary(code: string): string {
  return code.split('_').slice(0, 2).join('_');
}
