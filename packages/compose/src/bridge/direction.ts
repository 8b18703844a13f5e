/** One direction of a bridge: finds the queues that it forwards, and forwards each of them. */

import { hasWildcard, invalid, matchTopic, quote, type Transport } from '@busbar/api/transport';
import { pause } from '../pause.ts';
import type { StoreEnds } from '../store-end.ts';
import { Forwarder, type Route } from './forwarder.ts';
import { Patience } from './patience.ts';
import type { ProgressCounter } from './progress.ts';
import { QueueRoute } from './queue-route.ts';
import { TopicRoute } from './topic-route.ts';

/** How often new queues are looked for. */
const LOOK_MS = 2_000;

/** What a {@link Direction} works with. */
export interface DirectionOptions {
  readonly ends: StoreEnds;
  readonly fromId: string;
  readonly toId: string;
  /** Names or patterns. */
  readonly queues: readonly string[];
  readonly topics: readonly string[];
  readonly progress: ProgressCounter;
  /** Ends it. */
  readonly ending: AbortSignal;
}

/** One direction. */
export class Direction {
  readonly #options: DirectionOptions;
  readonly #failed = new AbortController();
  readonly #running = new Map<string, Promise<void>>();

  constructor(options: DirectionOptions) {
    this.#options = options;
  }

  /** Forwards until it is to end, or something fails for good. */
  async run(otherEnded: AbortSignal): Promise<void> {
    const { queues, topics, ending, ends } = this.#options;
    const stop = AbortSignal.any([ending, otherEnded, this.#failed.signal]);
    await refuseBound(ends.from.transport, queues, stop);
    if (topics.length > 0) this.#start(new TopicRoute(this.#options), stop);
    for (const name of queues) if (!hasWildcard(name)) this.#start(this.#queueRoute(name), stop);
    const patterns = queues.filter(hasWildcard);
    if (patterns.length > 0) this.#watch('queues', this.#findQueues(patterns, stop));
    // Queues that are found meanwhile are added.
    for (const work of this.#running.values()) await work;
    this.#failed.signal.throwIfAborted();
  }

  #queueRoute(name: string): Route {
    return new QueueRoute(this.#options, name);
  }

  #start(route: Route, stop: AbortSignal): void {
    if (this.#running.has(route.queue)) return;
    this.#watch(route.queue, new Forwarder(this.#options, route).run(stop));
  }

  /** The first failure ends all. */
  #watch(what: string, work: Promise<void>): void {
    this.#running.set(
      what,
      work.catch((error: unknown) => this.#failed.abort(error)),
    );
  }

  /** Starts a route for each queue that a pattern matches. */
  async #findQueues(patterns: readonly string[], stop: AbortSignal): Promise<void> {
    const { ends, progress } = this.#options;
    const patience = new Patience({ ends, progress, stop, what: 'queues' });
    while (!stop.aborted) {
      try {
        for (const name of await queuesOf(ends.from.transport, patterns, stop))
          this.#start(this.#queueRoute(name), stop);
        patience.succeeded();
        await pause(LOOK_MS, stop);
      } catch (error) {
        await patience.after(error);
      }
    }
  }
}

/** The names of queues that a pattern matches, without those that get events. */
async function queuesOf({ admin }: Transport, patterns: readonly string[], signal: AbortSignal): Promise<string[]> {
  const bound = new Set((await admin.bindings({ signal })).map(({ queue }) => queue));
  const names: string[] = [];
  for (let after: string | undefined; ; ) {
    const page = await admin.queues({ after, signal });
    names.push(...page.map(({ name }) => name));
    if (page.length === 0) break;
    after = page.at(-1)?.name;
  }
  return names.filter((name) => !bound.has(name) && patterns.some((pattern) => matchTopic(pattern, name)));
}

/** Events that a queue gets by a binding keep their topic only if they are forwarded as events. */
async function refuseBound({ admin }: Transport, queues: readonly string[], signal: AbortSignal): Promise<void> {
  const bound = (await admin.bindings({ signal })).find(({ queue }) => queues.includes(queue));
  if (bound === undefined) return;
  throw invalid(
    `the queue ${quote(bound.queue)} gets the events of ${bound.pattern}`,
    `Forward the events with --topics '${bound.pattern}', and subscribe at the other store.`,
  );
}
