/** Options of a hybrid transport. */

import { defineOptions, type OptionTable, option } from '@busbar/api/driver';
import { type Capabilities, checkPattern, invalid } from '@busbar/api/transport';

/** What goes to which part, beyond the defaults. */
export interface HybridOptions {
  /** Patterns of queues that live on the fast side, such as `chat.>` or `$inbox.@pager`. Default: none. */
  readonly fastQueues?: readonly string[] | undefined;
  /** Patterns of topics whose history is on the fast side. Default: none. */
  readonly fastTopics?: readonly string[] | undefined;
  /** Messages of this priority and more, without an ordering key, go over the fast side. 1 to 9. Default: none. */
  readonly urgent?: number | undefined;
  /** How far apart the programs of this bus may be. Default: as far as the durable side reaches. */
  readonly reach?: Capabilities['reach'] | undefined;
  /** The time-out of each call to the store that has none of its own, 100 to 2^31-1, Infinity for no limit. Default 30,000. */
  readonly callTimeoutMs?: number | undefined;
}

/** Options, complete. */
export interface HybridSettings {
  readonly fastQueues: readonly string[];
  readonly fastTopics: readonly string[];
  readonly urgent: number | undefined;
  readonly reach: Capabilities['reach'] | undefined;
  readonly callTimeoutMs: number;
}

export const OPTIONS: OptionTable<HybridOptions, HybridSettings> = defineOptions({
  transport: 'hybrid',
  scheme: 'hybrid',
  options: {
    fastQueues: patterns('queues that live on the fast side: patterns, in a URL with commas'),
    fastTopics: patterns('topics whose history is on the fast side: patterns, in a URL with commas'),
    urgent: option.count<number | undefined>({
      meaning: 'messages of this priority and more, without an ordering key, go over the fast side; 1 to 9',
      default: undefined,
      min: 1,
      max: 9,
    }),
    reach: option.choice<Capabilities['reach'] | undefined>({
      meaning:
        'how far apart the programs of this bus may be: `process`, `host` or `network`. Both sides must reach so far',
      default: undefined,
      shown: 'as far as the durable side reaches',
      choices: ['process', 'host', 'network'],
    }),
    callTimeoutMs: option.callTimeoutMs(),
  },
});

/** The options in the query of a `hybrid:` URL. */
export function parseHybridQuery(query: string): HybridOptions {
  const options = OPTIONS.readQuery(query);
  OPTIONS.complete(options);
  return options;
}

function patterns(meaning: string): ReturnType<typeof option.custom<readonly string[]>> {
  return option.custom<readonly string[]>({
    meaning,
    default: [],
    shown: 'none',
    read: (text) => text.split(','),
    check: (value, name) => {
      if (!Array.isArray(value)) throw invalid(`${name} must be an array of patterns`, 'Such as ["chat.>"].');
      for (const pattern of value) checkPattern(pattern);
      return [...(value as string[])];
    },
  });
}
