/** What cases compare, in brief. */

import type { AgentInfo } from '@busbar/api';
import type { MessageInput } from '@busbar/api/transport';
import type { Lab } from '../context/test-context.ts';

/** The names of agents. */
export function namesOf(agents: readonly Pick<AgentInfo, 'name'>[]): string[] {
  return agents.map(({ name }) => name);
}

/** One message for each body. */
export function messagesOf(bodies: readonly Uint8Array[]): MessageInput[] {
  return bodies.map((body) => ({ body }));
}

/** Asserts that each number is higher than the one before it. */
export function rises(lab: Lab, numbers: readonly number[], what: string): void {
  const rising = [...new Set(numbers)].toSorted((one, other) => one - other);
  lab.check.equal([...numbers], rising, what);
}
