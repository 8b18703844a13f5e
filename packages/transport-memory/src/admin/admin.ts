/** The admin facet of one namespace. */

import type { AdminDriver, PageQuery } from '@busbar/api/driver';
import { hasWildcard, type MessageState, type PendingResult } from '@busbar/api/transport';
import type { Namespace } from '../namespace.ts';
import type { Queue } from '../queues/queue.ts';
import type { StoredMessage } from '../queues/stored-message.ts';
import { browse, inState } from './browse.ts';
import { exportNamespace, importRecord } from './transfer.ts';

/** The admin facet of `namespace`. */
export function openAdmin(namespace: Namespace): AdminDriver {
  const existing = (name: string): Queue | undefined => {
    namespace.deadlines.runDue();
    return namespace.queues.get(name);
  };
  const changeable = (name: string): Queue | undefined => {
    namespace.gate.check();
    return existing(name);
  };
  return {
    async queues({ names, prefix, ...page }) {
      namespace.deadlines.runDue();
      const chosen = [...namespace.queues.values()].filter(
        ({ name }) => name.startsWith(prefix) && (names?.includes(name) ?? true),
      );
      return pageOf(chosen, page).map((queue) => queue.info());
    },
    async topics(page) {
      const patterns = [...namespace.listBindings()].map(({ pattern }) => pattern).filter((one) => !hasWildcard(one));
      const names = new Set([...namespace.log.counts.keys(), ...patterns]);
      const topics = [...names].map((name) => ({ name, events: namespace.log.counts.get(name) ?? 0 }));
      return pageOf(topics, page);
    },
    bindings: async () => [...namespace.listBindings()],
    browse: async (name, filter) => browse(existing(name), filter),
    redrive: async (name, ids, limit) => redrive(changeable(name), ids, limit),
    purge: async (name, state, ids) => purge(changeable(name), state, ids),
    cancel: async (name, ids) => pending(changeable(name), ids, (queue, item) => queue.remove(item)),
    async reschedule(name, ids, delayMs) {
      const queue = changeable(name);
      const results = pending(queue, ids, (queue, item) => queue.reschedule(item, delayMs));
      queue?.dispatch();
      return results;
    },
    async deleteQueue(name) {
      namespace.gate.check();
      return namespace.deleteQueue(name);
    },
    async clear(gateRevision) {
      namespace.gate.check(gateRevision);
      namespace.clear();
    },
    exportState: () => exportNamespace(namespace),
    gate: async () => namespace.gate.read(),
    setGate: async (change) => namespace.gate.set(change),
    async importState(records, gateRevision) {
      namespace.gate.check(gateRevision);
      namespace.deadlines.runDue();
      return records.filter((record) => importRecord(namespace, record)).length;
    },
  };
}

function pageOf<T extends { readonly name: string }>(all: readonly T[], { limit, after }: PageQuery): T[] {
  const sorted = [...all].sort((a, b) => (a.name < b.name ? -1 : 1));
  return sorted.filter(({ name }) => after === undefined || name > after).slice(0, limit);
}

function redrive(queue: Queue | undefined, ids: readonly string[] | undefined, limit: number): number {
  const items = [...(queue?.dead ?? [])].filter(({ message }) => ids?.includes(message.id) ?? true).slice(0, limit);
  for (const item of items) queue?.redrive(item);
  queue?.dispatch();
  return items.length;
}

function purge(queue: Queue | undefined, state: MessageState, ids: readonly string[] | undefined): number {
  if (queue === undefined) return 0;
  const items = inState(queue, state).filter(({ message }) => ids?.includes(message.id) ?? true);
  for (const item of items) queue.remove(item);
  return items.length;
}

/** Applies `act` to messages that no consumer has received. */
function pending(
  queue: Queue | undefined,
  ids: readonly string[],
  act: (queue: Queue, item: StoredMessage) => void,
): PendingResult[] {
  return ids.map((id) => {
    const same = queue?.withId(id) ?? [];
    const waiting = same.filter(({ state }) => state !== 'leased' && state !== 'dead');
    for (const item of waiting) act(queue as Queue, item);
    if (waiting.length > 0) return { id, status: 'done' };
    return { id, status: same.length > 0 ? 'started' : 'not-found' };
  });
}
