/** Options of the memory transport, with their defaults. */

import { checkInteger, checkOptions, checkText, invalid, MAX_DURATION_MS, quote } from '@busbar/api/transport';

/** How to open a memory transport. */
export interface MemoryOptions {
  /** Transports of one process that give the same name share a store. Default: a store of its own. */
  readonly name?: string;
  /** Isolates whole buses in one store. Default: the empty namespace. */
  readonly ns?: string;
  /** `maxLength` of queues that do not set it, 1 to 2^31-1. Default 100,000. */
  readonly maxLength?: number;
  /** Events kept in history, 1 to 10,000,000. Default 100,000. */
  readonly maxEvents?: number;
  /** Bytes of bodies kept in history, 1 to 2^40. Default 67,108,864 (64 MiB). */
  readonly maxEventBytes?: number;
  /** Age of the history, 1,000 to ten years. Default 604,800,000 (7 d). */
  readonly maxEventAgeMs?: number;
  /** The largest body, 524,288 to 2^30. Default 1,048,576 (1 MiB). */
  readonly maxBodyBytes?: number;
}

/** Options, complete. */
export type MemorySettings = Required<Omit<MemoryOptions, 'name'>> & { readonly name: string | undefined };

const NUMBERS = {
  maxLength: { min: 1, max: 2_147_483_647 },
  maxEvents: { min: 1, max: 10_000_000 },
  maxEventBytes: { min: 1, max: 2 ** 40 },
  maxEventAgeMs: { min: 1000, max: MAX_DURATION_MS },
  maxBodyBytes: { min: 524_288, max: 2 ** 30 },
} as const;
const KEYS = ['name', 'ns', ...Object.keys(NUMBERS)];

/** Checks options and fills in the defaults. */
export function parseOptions(options: MemoryOptions = {}): MemorySettings {
  checkOptions(options, KEYS, 'memory options');
  checkText(options.name, 'name', 255);
  checkText(options.ns, 'ns', 64);
  for (const [name, range] of Object.entries(NUMBERS)) checkInteger(options[name as keyof typeof NUMBERS], name, range);
  return Object.freeze({
    name: options.name,
    ns: options.ns ?? '',
    maxLength: options.maxLength ?? 100_000,
    maxEvents: options.maxEvents ?? 100_000,
    maxEventBytes: options.maxEventBytes ?? 67_108_864,
    maxEventAgeMs: options.maxEventAgeMs ?? 604_800_000,
    maxBodyBytes: options.maxBodyBytes ?? 1_048_576,
  });
}

/** Reads `memory:` or `memory:NAME?ns=…`. All of one process that use the same URL share its store. */
export function parseMemoryUrl(url: string): MemoryOptions {
  const [, name, query] = /^memory:([^?#]*)(?:\?([^#]*))?$/.exec(url) ?? [];
  if (name === undefined) throw invalid(`${quote(url)} is no URL of a memory bus`, 'Use memory: or memory:NAME.');
  const options: Record<string, unknown> = { name: name === '' ? 'default' : decode(name, url) };
  for (const [key, value] of new URLSearchParams(query ?? '')) {
    if (key === 'name' || !KEYS.includes(key) || Object.hasOwn(options, key)) {
      throw invalid(
        `memory: takes no parameter ${quote(key)} here`,
        `Use each of ${KEYS.slice(1).join(', ')} once at most.`,
      );
    }
    options[key] = key === 'ns' ? value : toNumber(value);
  }
  parseOptions(options);
  return options;
}

function decode(name: string, url: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    throw invalid(`${quote(url)} has a bad percent escape`, 'Write % as %25.');
  }
}

/** Digits only: what is no number is left to the check of its option to refuse. */
function toNumber(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}
