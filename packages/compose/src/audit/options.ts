/** Options of an audit, and their parameters in its URL. */

import { type CompleteOptions, defineOptions, type OptionTable, option } from '@busbar/api/driver';
import { checkInteger, invalid } from '@busbar/api/transport';

/** How to record a bus. */
export interface AuditOptions {
  /**
   * What happens while the log is full or unreachable. `gap` (default): the bus goes on, and records over `bufferBytes` are
   * counted and dropped. `refuse`: sends, publishes, receives and calls reject with BACKPRESSURE.
   */
  readonly onFull?: 'gap' | 'refuse' | undefined;
  /** How many bytes of each body are recorded, from its start. Default 4,096. */
  readonly bodies?: 'none' | 'all' | number | undefined;
  /** Names of headers and of members of JSON bodies whose values are recorded as `***`. Then other bodies are left out. */
  readonly redact?: readonly string[] | undefined;
  /** How many bytes of records wait in memory for the log, 65,536 to 1 GiB. Default 16 MiB. */
  readonly bufferBytes?: number | undefined;
  /** How often the elected process looks into the store, 50 to 3,600,000. Default 5,000. */
  readonly lookMs?: number | undefined;
}

/** Options, complete. */
export type AuditSettings = CompleteOptions<AuditOptions>;

export const OPTIONS: OptionTable<AuditOptions, AuditSettings> = defineOptions({
  transport: 'audit',
  scheme: 'audit',
  options: {
    onFull: option.choice({
      meaning: 'while the log is full or unreachable: go on and count what is missing (`gap`), or reject (`refuse`)',
      default: 'gap',
      choices: ['gap', 'refuse'],
    }),
    bodies: option.custom<AuditSettings['bodies']>({
      meaning: 'how many bytes of each body are recorded: a number, `none` or `all`',
      default: 4_096,
      check: checkBodies,
      read: (text) => (/^\d+$/.test(text) ? Number(text) : text),
    }),
    redact: option.custom<readonly string[]>({
      meaning: 'names of headers and JSON members whose values are recorded as `***`; in a URL with commas',
      default: [],
      shown: '',
      check: checkNames,
      read: (text) => text.split(',').map((name) => name.trim()),
    }),
    bufferBytes: option.bytes({
      meaning: 'how much waits in memory for the log',
      default: 16 * 1_024 * 1_024,
      min: 65_536,
      max: 1_073_741_824,
    }),
    lookMs: option.duration({
      meaning: 'how often the elected process looks into the store',
      default: 5_000,
      min: 50,
      max: 3_600_000,
    }),
  },
});

/** The options in the query of a URL. Throws INVALID_ARGUMENT. */
export function parseAuditOptions(query: string): AuditOptions {
  const options = OPTIONS.readQuery(query);
  OPTIONS.complete(options);
  return options;
}

function checkBodies(value: unknown, name: string): AuditSettings['bodies'] {
  if (value === 'none' || value === 'all') return value;
  if (typeof value !== 'number') throw invalid(`${name} is illegal: ${String(value)}`, 'Use none, all or a number.');
  checkInteger(value, name, { min: 0, max: Number.MAX_SAFE_INTEGER });
  return value;
}

function checkNames(value: unknown, name: string): readonly string[] {
  const isLegal = Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== '');
  if (isLegal) return Object.freeze([...(value as string[])]);
  throw invalid(`${name} must be a list of names`, 'In a URL write redact=password,token.');
}
