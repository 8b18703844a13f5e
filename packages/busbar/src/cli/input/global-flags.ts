/** The flags of every verb. */

import { MAX_TIMER_MS } from '@busbar/api/transport';
import type { FlagSpec, FlagTable } from './flag-values.ts';

/** The flags of every verb. */
export const GLOBAL_FLAGS: FlagTable & Record<keyof GlobalFlags, FlagSpec> = {
  url: {
    kind: 'text',
    value: 'BUS',
    help: 'the bus: a short name, a URL, or a name in busbar.config.json [MESSAGE_BUS]',
  },
  as: { kind: 'text', value: 'AGENT', help: 'the agent to act for [BUSBAR_AGENT]' },
  json: { kind: 'switch', help: 'JSON on stdout, one object a line; errors as JSON on stderr' },
  quiet: { kind: 'switch', short: 'q', help: 'print errors only on stderr' },
  timeout: {
    kind: 'duration',
    value: 'TIME',
    min: 1,
    max: MAX_TIMER_MS,
    help: 'timeout of each call (default 30s) [BUSBAR_TIMEOUT]',
  },
  'no-color': { kind: 'switch', help: 'no colours [NO_COLOR]' },
  help: { kind: 'switch', short: 'h', help: 'show this help' },
};

/** The values of the global flags. */
export interface GlobalFlags {
  readonly url: string | undefined;
  readonly as: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly timeout: number | undefined;
  readonly 'no-color': boolean;
  readonly help: boolean;
}
