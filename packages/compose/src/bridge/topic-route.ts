/** The way of events: a durable binding keeps them in a queue of the source, from which they are published in the target. */

import type { CallOptions, Delivery, SendResult } from '@busbar/api/transport';
import { toForwarded } from './forwarded-message.ts';
import type { Route } from './forwarder.ts';
import type { RouteOptions } from './queue-route.ts';
import { hasVisited } from './visited.ts';

/** A bridge that has not run for this long begins again with new events. Until then its queue grows. */
const EXPIRE_MS = 7 * 24 * 3_600_000;
/** A bridge that was killed delays its events for this long. */
const LEASE_MS = 15_000;

/** The queue with the events for the store `toId`. */
export function eventQueueOf(toId: string): string {
  return `$bridge.${toId}`;
}

/** The way of the events of some patterns. */
export class TopicRoute implements Route {
  readonly queue: string;
  readonly counter = 'events';
  readonly #options: RouteOptions & { readonly topics: readonly string[] };

  constructor(options: RouteOptions & { readonly topics: readonly string[] }) {
    this.#options = options;
    this.queue = eventQueueOf(options.toId);
  }

  /** Binds the patterns, and removes those that an earlier run had. */
  async prepare(bounds: CallOptions): Promise<void> {
    const { ends, topics: patterns } = this.#options;
    const { admin, queues, topics } = ends.from.transport;
    const bound = (await admin.bindings(bounds)).filter(({ queue }) => queue === this.queue);
    const missing = patterns.filter((pattern) => !bound.some((each) => each.pattern === pattern));
    if (missing.length > 0) await queues.configure(this.queue, { expireIdleMs: EXPIRE_MS, leaseMs: LEASE_MS }, bounds);
    for (const pattern of missing) await topics.bind(this.queue, pattern, bounds);
    for (const { pattern } of bound) {
      if (!patterns.includes(pattern)) await topics.unbind(this.queue, pattern, bounds);
    }
  }

  refuse({ headers }: Delivery): { kind: 'returned' } | undefined {
    return hasVisited(headers, this.#options.toId) ? { kind: 'returned' } : undefined;
  }

  /** Publishes the events of each topic in their order. */
  async send(deliveries: readonly Delivery[], bounds: CallOptions): Promise<readonly SendResult[]> {
    const { ends, fromId } = this.#options;
    const { topics } = ends.to.transport;
    const results: SendResult[] = [];
    const byTopic = Map.groupBy(deliveries.entries(), ([, { topic = '' }]) => topic);
    const publishing = [...byTopic].map(async ([topic, entries]) => {
      const events = entries.map(([, delivery]) => toForwarded(delivery, fromId));
      const published = await topics.publish(topic, events, bounds);
      for (const [at, result] of published.entries()) results[entries[at]?.[0] ?? 0] = result;
    });
    await Promise.all(publishing);
    return results;
  }
}
