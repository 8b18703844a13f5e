/** Options of the memory transport. */

import {
  type CompleteOptions,
  decodeUrlPart,
  defineOptions,
  type OptionTable,
  option,
  type RetentionOptions,
} from '@busbar/api/driver';
import { invalid, quote } from '@busbar/api/transport';

/** How to open a memory transport. */
export interface MemoryOptions {
  /** Transports of one process with the same name share a store. Default: a store of its own. */
  readonly name?: string | undefined;
  /** Isolates whole buses in one store. 1 to 64 characters `A-Z a-z 0-9 _ - @ / : + ~ .`. Default: the unnamed one. */
  readonly ns?: string | undefined;
  /** `maxLength` of queues that do not set it, 1 to 2^31-1. Default 100,000. */
  readonly maxLength?: number | undefined;
  /** How much history of topics is kept. Default: 100,000 events, 64 MiB, 7 days. */
  readonly retention?: RetentionOptions | undefined;
  /** How long a topic remembers the id of an event, 120,000 (2 min, the default) to 604,800,000 (7 d). */
  readonly topicDedupeMs?: number | undefined;
  /** The largest body, 524,288 to 2^30. Default 1,048,576 (1 MiB). */
  readonly maxBodyBytes?: number | undefined;
  /** The time-out of each call to the store that has none of its own, 100 to 2^31-1, Infinity for no limit. Default 30,000. */
  readonly callTimeoutMs?: number | undefined;
}

/** Options, complete. */
export type MemorySettings = CompleteOptions<MemoryOptions, 'name'>;

export const OPTIONS: OptionTable<MemoryOptions, MemorySettings> = defineOptions({
  transport: 'memory',
  scheme: 'memory',
  options: {
    name: option.text({
      meaning: 'transports of one process with the same name share a store',
      default: undefined,
      shown: 'a store of its own',
      max: 255,
      where: 'in a URL: the path',
    }),
    ns: option.ns('in one store'),
    maxLength: option.count({
      meaning: 'messages of a queue that does not set it; one more is BACKPRESSURE',
      default: 100_000,
      min: 1,
      max: 2_147_483_647,
    }),
    retention: option.retention({ maxEvents: 100_000, maxBytes: 67_108_864, maxAgeMs: 604_800_000 }),
    topicDedupeMs: option.topicDedupeMs(),
    maxBodyBytes: option.bytes({
      meaning: 'the largest body; one byte more is PAYLOAD_TOO_LARGE',
      default: 1_048_576,
      min: 524_288,
      max: 2 ** 30,
    }),
    callTimeoutMs: option.callTimeoutMs(),
  },
  refused: {
    durability: 'A store in memory ends with its process. Use sqlite: or redis: for messages that must last.',
  },
});

/** The options in `memory:` or `memory:NAME?ns=…`. All users of one URL in one process share its store. */
export function parseMemoryUrl(url: string): MemoryOptions {
  const [, name, query] = /^memory:([^?#]*)(?:\?([^#]*))?$/.exec(url) ?? [];
  if (name === undefined) throw invalid(`${quote(url)} is not a memory: URL`, 'Write memory: or memory:NAME.');
  const options = {
    name: name === '' ? 'default' : decodeUrlPart(name, 'the name'),
    ...OPTIONS.readQuery(query ?? ''),
  };
  OPTIONS.complete(options);
  return options;
}
