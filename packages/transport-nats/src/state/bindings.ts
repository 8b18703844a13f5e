/** Which queues are fed by which patterns, from where on. */

import { type Binding, matchTopic } from '@busbar/api/transport';

/** One binding. It covers the events from number `since` on; those before `fed` are in the queue, or not its own to bring. */
export interface Bound {
  readonly queue: string;
  readonly pattern: string;
  readonly since: number;
  /** Where its history stands; undefined once it gets events as they come. */
  fed: number | undefined;
}

/** The bindings of one namespace. */
export class Bindings {
  readonly queues: Map<string, Map<string, Bound>> = new Map();

  find(queue: string, pattern: string): Bound | undefined {
    return this.queues.get(queue)?.get(pattern);
  }

  add(bound: Bound): void {
    const patterns = this.queues.get(bound.queue) ?? new Map<string, Bound>();
    this.queues.set(bound.queue, patterns.set(bound.pattern, bound));
  }

  remove(queue: string, pattern: string): void {
    const patterns = this.queues.get(queue);
    patterns?.delete(pattern);
    if (patterns?.size === 0) this.queues.delete(queue);
  }

  *list(): Iterable<Binding> {
    for (const [queue, patterns] of this.queues) for (const pattern of patterns.keys()) yield { queue, pattern };
  }

  /** The queues that get the event `number` now: those it comes to by its history as well get it there. */
  *fedBy(topic: string, number: number): Iterable<string> {
    for (const [queue, patterns] of this.queues) {
      const first = coverer(patterns, topic, number);
      if (first !== undefined && first.fed === undefined) yield queue;
    }
  }

  /** Whether `bound` is what brings the event `number` into its queue, and no earlier binding. */
  brings(bound: Bound, topic: string, number: number): boolean {
    const patterns = this.queues.get(bound.queue);
    return patterns !== undefined && coverer(patterns, topic, number) === bound;
  }

  /** A binding of `queue` whose history is not in it yet. */
  unfed(queue: string): Bound | undefined {
    for (const bound of this.queues.get(queue)?.values() ?? []) if (bound.fed !== undefined) return bound;
    return undefined;
  }
}

/** The earliest of these bindings that covers the event: it alone brings it, so that it comes once. */
function coverer(patterns: ReadonlyMap<string, Bound>, topic: string, number: number): Bound | undefined {
  for (const bound of patterns.values()) if (number >= bound.since && matchTopic(bound.pattern, topic)) return bound;
  return undefined;
}
