/** Why a case cannot apply to a kind of transport. */

import type { Capabilities } from '@busbar/api/transport';

/** For cases about several processes. */
export function unlessManyProcesses({ reach }: Capabilities): string | undefined {
  return reach === 'process' ? 'The transport declares that it reaches no further than its process.' : undefined;
}

/** For cases about what outlives clients. */
export function unlessDurable({ durability }: Capabilities): string | undefined {
  return durability === 'none' ? 'The transport declares that it keeps nothing.' : undefined;
}
