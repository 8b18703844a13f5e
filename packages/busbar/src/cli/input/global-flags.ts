/** The flags that every verb has. */

import { MAX_TIMER_MS } from '@busbar/api/transport';
import type { FlagSpec, FlagTable } from './flag-values.ts';

/** The flags that every verb has. */
export const GLOBAL_FLAGS: FlagTable & Record<keyof GlobalFlags, FlagSpec> = {
  url: {
    kind: 'text',
    value: 'BUS',
    help: 'the bus: a short name, a URL, or a name in busbar.config.json [MESSAGE_BUS]',
  },
  as: { kind: 'text', value: 'AGENT', help: 'the agent to act for [BUSBAR_AGENT]' },
  json: { kind: 'switch', help: 'JSON on stdout, one object a line; errors as JSON on stderr' },
  quiet: { kind: 'switch', short: 'q', help: 'no remarks on stderr, errors only' },
  timeout: {
    kind: 'duration',
    value: 'TIME',
    min: 1,
    max: MAX_TIMER_MS,
    help: 'bound of each call of the bus, 30s unless said [BUSBAR_TIMEOUT]',
  },
  'no-color': { kind: 'switch', help: 'no colours [NO_COLOR]' },
  help: { kind: 'switch', short: 'h', help: 'how to use it' },
};

/** The flags that every verb has, read. */
export interface GlobalFlags {
  readonly url: string | undefined;
  readonly as: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly timeout: number | undefined;
  readonly 'no-color': boolean;
  readonly help: boolean;
}
