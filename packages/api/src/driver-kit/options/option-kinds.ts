/** Kinds of options: how a value is checked, read from the text of a URL, and shown in a README. */

import { invalid } from '../../contract/errors.ts';
import { quote } from '../../contract/names.ts';
import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkText,
  MAX_DURATION_MS,
  MAX_TIMER_MS,
  type NumberRange,
} from '../../contract/validation.ts';
import { type Retention, toRetention } from './retention.ts';
import { formatBytes, formatCount, formatDuration, readBytes, readDuration, readNumber } from './units.ts';

/** Makes a value of the text of a URL. Text that it cannot read it returns as it is: the check refuses it. */
export type ReadText = (text: string) => unknown;

/** One row of an option table. */
export interface OptionRow<T> {
  /** The value when the option is not given. */
  readonly default: T;
  /** What it does, for the README. */
  readonly meaning: string;
  /** The default as the README shows it. */
  readonly shown: string;
  /** Returns the complete value. Throws INVALID_ARGUMENT for an illegal one. */
  readonly check: (value: unknown, name: string) => T;
  /** The parameters of a URL that set it: one with the option's name, or several with the names of its fields. */
  readonly url: UrlSource;
}

/** How a URL gives an option: as one parameter, as a parameter for each field, or elsewhere, which the README says. */
export type UrlSource =
  | { readonly kind: 'parameter'; readonly read: ReadText }
  | { readonly kind: 'fields'; readonly read: Readonly<Record<string, ReadText>> }
  | { readonly kind: 'elsewhere'; readonly where: string };

/** What every kind of row takes. */
export interface Described<T> {
  readonly meaning: string;
  readonly default: T;
  /** Default: `default`, formatted. */
  readonly shown?: string | undefined;
  /** Where a URL has it, such as `the path`, when it is no parameter. */
  readonly where?: string | undefined;
}

/** A row with a check of its own. */
export function custom<T>({
  check,
  read,
  ...row
}: Described<T> & { readonly check: OptionRow<T>['check']; readonly read?: ReadText | undefined }): OptionRow<T> {
  return toRow(row, check, read);
}

/** Text without control characters. */
export function text<T extends string | undefined>(row: Described<T> & { readonly max?: number }): OptionRow<T> {
  return checkedRow(row, (value, name) => checkText(value, name, row.max ?? 1024));
}

/** The path of a file. */
export function file(meaning: string): OptionRow<string | undefined> {
  return text({ meaning, default: undefined, max: 4096 });
}

/** Text that matches a pattern; `legal` says in words which. */
export function pattern<T extends string | undefined>(
  row: Described<T> & { readonly pattern: RegExp; readonly legal: string },
): OptionRow<T> {
  return checkedRow(row, (value, name) => {
    if (typeof value === 'string' && row.pattern.test(value)) return;
    throw invalid(`${name} is illegal: ${quote(value)}`, `Use ${row.legal}.`);
  });
}

/** The namespace, which isolates whole buses in one store: the same characters on every backend. */
export function ns(where: string): OptionRow<string> {
  return pattern({
    meaning: `isolates whole buses ${where}: 1 to 64 characters \`A-Z a-z 0-9 _ - @ / : + ~ .\``,
    default: '',
    shown: 'the unnamed one',
    pattern: /^[A-Za-z0-9_\-@/:+~.]{1,64}$/,
    legal: '1 to 64 characters A-Z a-z 0-9 _ - @ / : + ~ and dots',
  });
}

/** The name of this client, which the server shows in `list`. */
export function clientName(list: string): OptionRow<string> {
  return pattern({
    meaning: `name of this client in ${list}`,
    default: 'busbar',
    pattern: /^[!-~]{1,64}$/,
    legal: '1 to 64 printable characters of ASCII without spaces',
  });
}

/** A password or a token. No error shows its value. */
export function secret(row: Described<string | undefined>): OptionRow<string | undefined> {
  return checkedRow(row, (value, name) => {
    if (typeof value === 'string' && value !== '' && value.length <= 4096) return;
    throw invalid(`${name} is illegal`, 'Use 1 to 4,096 characters.');
  });
}

/** One of a few words. */
export function choice<T extends string | undefined>(
  row: Described<NoInfer<T>> & { readonly choices: readonly NonNullable<T>[] },
): OptionRow<T> {
  return checkedRow(row, (value, name) => checkOneOf(value, name, row.choices));
}

/** True or false. */
export function flag(row: Described<boolean>): OptionRow<boolean> {
  return checkedRow(row, checkBoolean, (text) => (text === 'true' || text === 'false' ? text === 'true' : text));
}

/** A whole number. */
export function count<T extends number | undefined>(row: Described<T> & NumberRange): OptionRow<T> {
  return checkedRow(row, (value, name) => checkInteger(value, name, row), readNumber, formatCount);
}

/** A number of bytes; in a URL also with a unit, such as `64MiB`. */
export function bytes<T extends number | undefined>(row: Described<T> & NumberRange): OptionRow<T> {
  return checkedRow(row, (value, name) => checkInteger(value, name, row), readBytes, formatBytes);
}

/** Milliseconds; in a URL also with a unit, such as `30s` or `7d`. */
export function duration<T extends number | undefined>(row: Described<T> & NumberRange): OptionRow<T> {
  return checkedRow(row, (value, name) => checkDuration(value, name, row), readDuration, formatDuration);
}

/** How long opening may take: the same default and bounds on every backend with a connection. */
export function connectTimeoutMs(meaning = 'how long connecting to a server that answers may take'): OptionRow<number> {
  return duration({ meaning: `${meaning}; 100 ms to 10 min`, default: 10_000, min: 100, max: 600_000 });
}

/** How long a topic remembers the id of an event: the same bounds on every backend. */
export function topicDedupeMs(): OptionRow<number> {
  return duration({
    meaning: 'how long a topic remembers the id of an event; 2 min to 7 d',
    default: 120_000,
    min: 120_000,
    max: 604_800_000,
  });
}

/** How long opening waits for a server that is away: the same option on every backend with a server. See `waitForServer`. */
export function waitForServerMs(): OptionRow<number> {
  return duration({
    meaning: 'how long opening waits for a server that cannot be reached; `0`: it fails at once',
    default: 0,
    min: 0,
    max: MAX_DURATION_MS,
    infinity: true,
  });
}

/** The time-out of calls without one: the same option on every backend. See `openTransport`. */
export function callTimeoutMs(): OptionRow<number> {
  return duration({
    meaning: 'the time-out of each call to the store that has none of its own; 100 ms or more',
    default: 30_000,
    min: 100,
    max: MAX_TIMER_MS,
    infinity: true,
  });
}

/** Bounds of the history of topics. In a URL each bound is a parameter. */
export function retention(defaults: Retention, meaning = 'the history of topics that is kept'): OptionRow<Retention> {
  return {
    default: Object.freeze({ ...defaults }),
    meaning: `${meaning}; \`Infinity\` for no bound`,
    shown: [formatCount(defaults.maxEvents), formatBytes(defaults.maxBytes), formatDuration(defaults.maxAgeMs)].join(
      ', ',
    ),
    check: (value, name) => toRetention(value, name, defaults),
    url: { kind: 'fields', read: { maxEvents: readNumber, maxBytes: readBytes, maxAgeMs: readDuration } },
  };
}

/** How to connect by TLS. */
export interface TlsOptions {
  /** File with the certificates to trust. Default: those of the system. */
  readonly ca?: string | undefined;
  /** Files with the certificate of this client and with its key: both or neither. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name that the server's certificate must have. Default: the host. */
  readonly serverName?: string | undefined;
}

const TLS_KEYS = ['ca', 'cert', 'key', 'serverName'] as const;

/** Files and names for TLS. In a URL each is a parameter, legal only with a scheme that says TLS. */
export function tls(meaning: string): OptionRow<TlsOptions | undefined> {
  return {
    default: undefined,
    meaning,
    shown: '',
    check: (value, name) => {
      checkOptions(value, TLS_KEYS, name);
      const tls = value as TlsOptions;
      for (const key of TLS_KEYS) checkText(tls[key], `${name}.${key}`, 4096);
      if ((tls.cert === undefined) !== (tls.key === undefined)) {
        throw invalid(`${name}.cert and ${name}.key belong together`, 'Give both files, or neither.');
      }
      return Object.freeze({ ...tls });
    },
    url: { kind: 'fields', read: Object.fromEntries(TLS_KEYS.map((key) => [key, (text: string) => text])) },
  };
}

/** A row whose check changes no value. */
function checkedRow<T>(
  row: Described<T>,
  check: (value: unknown, name: string) => void,
  read?: ReadText,
  format?: (value: NonNullable<T>) => string,
): OptionRow<T> {
  const checked = (value: unknown, name: string): T => {
    check(value, name);
    return value as T;
  };
  return toRow(row, checked, read, format);
}

function toRow<T>(
  { meaning, default: given, shown, where }: Described<T>,
  check: OptionRow<T>['check'],
  read: ReadText = (text) => text,
  format: (value: NonNullable<T>) => string = String,
): OptionRow<T> {
  const text = given === undefined || given === null || given === '' ? '' : `\`${format(given)}\``;
  const url: UrlSource = where === undefined ? { kind: 'parameter', read } : { kind: 'elsewhere', where };
  return { default: given, meaning, shown: shown ?? text, check, url };
}
