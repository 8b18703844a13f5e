/** Which queues a topic feeds: read once, and again only when the server says that a binding has changed. */

import { type Binding, matchTopic } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import { SCRIPTS } from '../lua/scripts.ts';

const MAX_REMEMBERED = 10_000;

/** A binding, where it begins in the log, and its number in the order of bindings. */
export interface KnownBinding extends Binding {
  readonly since: string;
  readonly number: number;
}

/** The bindings of the namespace, as of a version. */
export class Bindings {
  readonly #link: Link;
  #version: string | undefined;
  #all: readonly KnownBinding[] = [];
  readonly #byTopic = new Map<string, readonly string[]>();

  constructor(link: Link) {
    this.#link = link;
  }

  /** The queues that get what is published on `topic`, each once, and the version of the bindings that say so. */
  async queuesFor(topic: string, deadline: number): Promise<{ version: string; queues: readonly string[] }> {
    const known = this.knownFor(topic);
    if (known !== undefined) return known;
    await this.all(deadline);
    return this.knownFor(topic) ?? { version: '0', queues: [] };
  }

  /** The same where the bindings were read before. */
  knownFor(topic: string): { version: string; queues: readonly string[] } | undefined {
    const version = this.#version;
    if (version === undefined) return undefined;
    const known = this.#byTopic.get(topic);
    if (known !== undefined) return { version, queues: known };
    const matching = this.#all.filter(({ pattern }) => matchTopic(pattern, topic));
    const queues = [...new Set(matching.map(({ queue }) => queue))];
    if (this.#byTopic.size >= MAX_REMEMBERED) this.#byTopic.clear();
    this.#byTopic.set(topic, queues);
    return { version, queues };
  }

  /** The server has others. */
  forget(): void {
    this.#version = undefined;
  }

  /** Reads all there are, in order of queue and pattern. */
  async all(deadline: number): Promise<readonly KnownBinding[]> {
    const [version, ...fields] = (await this.#link.run(SCRIPTS.bindings, [], { deadline, repeat: true })) as Buffer[];
    const all: KnownBinding[] = [];
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

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
