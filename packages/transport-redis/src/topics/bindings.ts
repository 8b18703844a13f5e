/** The bindings of a namespace: read once, and again when the server reports another version. */

import { type Binding, matchTopic } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { BIND, LIST_BINDINGS, UNBIND } from '../lua/bindings.ts';
import { NEW_QUEUE } from '../queues/settings.ts';

const MAX_CACHED_TOPICS = 10_000;

/** A binding, the log id it begins after, and its number in the order of creation. */
export interface StoredBinding extends Binding {
  readonly since: string;
  readonly number: number;
}

/** The queues bound to a topic, as of a version of the bindings. */
export interface BoundQueues {
  readonly version: string;
  readonly queues: readonly string[];
}

export class BindingCache {
  readonly #client: ReconnectingClient;
  #version: string | undefined;
  #all: readonly StoredBinding[] = [];
  #loading: Promise<unknown> | undefined;
  readonly #byTopic = new Map<string, readonly string[]>();

  constructor(client: ReconnectingClient) {
    this.#client = client;
  }

  /** The queues bound to `topic`, each once; undefined if the bindings are not loaded. */
  knownFor(topic: string): BoundQueues | undefined {
    const version = this.#version;
    if (version === undefined) return undefined;
    const known = this.#byTopic.get(topic);
    if (known !== undefined) return { version, queues: known };
    const matching = this.#all.filter(({ pattern }) => matchTopic(pattern, topic));
    const queues = [...new Set(matching.map(({ queue }) => queue))];
    if (this.#byTopic.size >= MAX_CACHED_TOPICS) this.#byTopic.clear();
    this.#byTopic.set(topic, queues);
    return { version, queues };
  }

  /** Loads the bindings, with one request for all callers that wait, which resume in the order of their calls. */
  async loadFor(topic: string, deadline: number): Promise<BoundQueues> {
    this.#loading ??= this.all(deadline).finally(() => {
      this.#loading = undefined;
    });
    await this.#loading;
    return this.knownFor(topic) ?? { version: '0', queues: [] };
  }

  /** Discards the loaded bindings. */
  forget(): void {
    this.#version = undefined;
  }

  /** Loads all bindings, in the order of queue and pattern. */
  async all(deadline: number): Promise<readonly StoredBinding[]> {
    const reply = (await this.#client.run(LIST_BINDINGS, [], { deadline, repeat: true })) as Buffer[];
    const [version, ...fields] = reply;
    const all: StoredBinding[] = [];
    for (let index = 0; index + 1 < fields.length; index += 2) {
      const [queue = '', pattern = ''] = String(fields[index]).split('\n');
      const [since = '', number = ''] = String(fields[index + 1]).split(' ');
      all.push({ queue, pattern, since, number: Number(number) });
    }
    this.#all = all.sort((a, b) => compare(a.queue, b.queue) || compare(a.pattern, b.pattern));
    this.#version = String(version);
    this.#byTopic.clear();
    return this.#all;
  }
}

/** Binds a queue after the log id `since`, or from now on. Returns whether a backfill is pending. */
export async function bind(
  client: ReconnectingClient,
  { queue, pattern }: Binding,
  since: string | undefined,
  deadline: number,
): Promise<boolean> {
  return (await client.run(BIND, [queue, pattern, NEW_QUEUE, since ?? ''], { deadline, repeat: true })) === 2;
}

/** Removes a binding. `backfill` adds the history that is not in the queue yet. */
export async function unbind(
  client: ReconnectingClient,
  { queue, pattern }: Binding,
  { backfill, deadline }: { readonly backfill: () => Promise<void>; readonly deadline: number },
): Promise<void> {
  const run = (drop: string): Promise<unknown> =>
    client.run(UNBIND, [queue, pattern, drop], { deadline, repeat: true });
  if ((await run('')) !== 2) return;
  await backfill();
  await run('1');
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
