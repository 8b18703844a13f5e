/** Which side carries what. It depends on names and options only, so that all programs of a bus agree. */

import { matchTopic } from '@busbar/api/transport';
import type { HybridSettings } from './options.ts';

/** One of the two parts of a hybrid transport. */
export type SideName = 'fast' | 'durable';

/** Queues that serve requests: the requests to an agent, and the replies to a bus. */
const CALL_QUEUES = ['$call.>', '$reply.>'];

const MAX_KNOWN = 10_000;

/** Where the messages of one queue go. */
export interface HybridRoute {
  /** The side on which it lives. */
  readonly side: SideName;
  /** Whether its messages can be on both sides: urgent ones, events of fast topics, and those of an outage. */
  readonly isShared: boolean;
  /** Whether it has requests or replies. An agent that opens the durable part only has its queues there. */
  readonly isOfRequests: boolean;
}

/** The routes of one transport. */
export class Routes {
  readonly #fastQueues: readonly string[];
  readonly #fastTopics: readonly string[];
  readonly #urgent: number;
  /** The routes of queues that were looked for. */
  readonly #known = new Map<string, HybridRoute>();

  constructor({ fastQueues, fastTopics, urgent = Number.POSITIVE_INFINITY }: HybridSettings) {
    this.#fastQueues = [...CALL_QUEUES, ...fastQueues];
    this.#fastTopics = fastTopics;
    this.#urgent = urgent;
  }

  /** The route of a queue. */
  of(queue: string): HybridRoute {
    let route = this.#known.get(queue);
    if (route !== undefined) return route;
    const side = matchesAny(this.#fastQueues, queue) ? 'fast' : 'durable';
    const isShared = Number.isFinite(this.#urgent) || this.hasFastTopics || side === 'fast';
    route = { side, isShared, isOfRequests: matchesAny(CALL_QUEUES, queue) };
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(queue, route);
    return route;
  }

  /** The side on which a queue lives. */
  ofQueue(queue: string): SideName {
    return this.of(queue).side;
  }

  /** The side of one message of a queue. A message with an ordering key stays with its queue, and so in its order. */
  ofMessage(queue: string, { priority, orderingKey }: { priority: number; orderingKey: string | undefined }): SideName {
    return priority >= this.#urgent && orderingKey === undefined ? 'fast' : this.ofQueue(queue);
  }

  /** The side with the history of a topic. */
  ofTopic(topic: string): SideName {
    return matchesAny(this.#fastTopics, topic) ? 'fast' : 'durable';
  }

  /** Whether the pattern of a subscription can match a topic whose history is on the fast side. */
  reachesFastTopics(pattern: string): boolean {
    return this.#fastTopics.some((each) => overlaps(each.split('.'), pattern.split('.')));
  }

  /** Whether any history is on the fast side. */
  get hasFastTopics(): boolean {
    return this.#fastTopics.length > 0;
  }

  /** Whether messages that must last can be on the fast side. Requests need not. */
  get isFastStore(): boolean {
    return this.#fastQueues.length > CALL_QUEUES.length || this.hasFastTopics || Number.isFinite(this.#urgent);
  }

  /** Whether messages of a queue can be on both sides. */
  isShared(queue: string): boolean {
    return this.of(queue).isShared;
  }
}

/** What each side carries, in words, for operators. */
export function describeRoutes({ fastQueues, fastTopics, urgent }: HybridSettings): Readonly<Record<SideName, string>> {
  const fast = ['requests', 'ephemeral events'];
  if (fastQueues.length > 0) fast.push(`queues ${fastQueues.join(' ')}`);
  if (fastTopics.length > 0) fast.push(`topics ${fastTopics.join(' ')}`);
  if (urgent !== undefined) fast.push(`messages of priority ${urgent} and more without an ordering key`);
  return { fast: fast.join(', '), durable: 'all else, and keys' };
}

function matchesAny(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => matchTopic(pattern, name));
}

/** Whether a topic can match both patterns. */
function overlaps([one, ...ones]: readonly string[], [other, ...others]: readonly string[]): boolean {
  if (one === undefined || other === undefined) return one === other;
  if (one === '>' || other === '>') return true;
  return (one === other || one === '*' || other === '*') && overlaps(ones, others);
}
