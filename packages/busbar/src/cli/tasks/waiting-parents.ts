/** The parents of flows among browsed messages: they are delayed messages, with a word of their own. */

import type { BrowsedMessage } from '@busbar/api/transport';
import type { Session } from '../session.ts';

/** For each parent that waits, by its id: the id of a child that has not ended. */
export type AwaitedChildren = ReadonlyMap<string, string>;

/** The parents among `messages`, which a queue has. */
export async function waitingParents(
  queue: string,
  messages: readonly BrowsedMessage[],
  session: Session,
): Promise<AwaitedChildren> {
  const ids = messages.filter(({ state }) => state === 'delayed').map(({ message }) => message.id);
  // Only queues of tasks have parents.
  if (ids.length === 0 || queue.startsWith('$')) return new Map();
  const query = { ids, state: 'waiting', limit: 1000, ...session.call } as const;
  const { tasks } = await (await session.bus()).queue(queue).tasks(query);
  return new Map(tasks.map(({ id, waitsFor = '' }) => [id, waitsFor]));
}
