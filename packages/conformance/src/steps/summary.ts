/** Short forms of values that cases compare. */

import type { AgentInfo } from '@busbar/api';
import type { MessageInput } from '@busbar/api/transport';
import type { TestContext } from '../context/test-context.ts';

/** The names of agents. */
export function namesOf(agents: readonly Pick<AgentInfo, 'name'>[]): string[] {
  return agents.map(({ name }) => name);
}

/** Creates one message per body. */
export function messagesOf(bodies: readonly Uint8Array[]): MessageInput[] {
  return bodies.map((body) => ({ body }));
}

/** Asserts that the numbers rise strictly. */
export function assertRising(test: TestContext, numbers: readonly number[], what: string): void {
  const rising = [...new Set(numbers)].toSorted((one, other) => one - other);
  test.check.equal([...numbers], rising, what);
}
