/** The flags of every verb. */

import type { FlagValues } from './flag-values.ts';

/** The flags of every verb. */
export const GLOBAL_FLAGS = {
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
    help: 'timeout of each call (default 30s) [BUSBAR_TIMEOUT]',
  },
  'wait-for-server': {
    kind: 'duration',
    value: 'TIME',
    min: 0,
    help: 'how long to wait for a server that cannot be reached (default 0s)',
  },
  'no-color': { kind: 'switch', help: 'no colours [NO_COLOR]' },
  help: { kind: 'switch', short: 'h', help: 'show this help' },
} as const;

/** The values of the global flags. */
export type GlobalFlags = FlagValues<typeof GLOBAL_FLAGS>;
