/** The history that a new binding brings into its queue: copied in bounded steps, by whoever finds it undone. */

import { matchTopic } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import { SCRIPTS } from '../lua/scripts.ts';
import type { Bindings, KnownBinding } from './bindings.ts';
import { toLuaPattern } from './lua-pattern.ts';
import { compareIds } from './position.ts';

/** Events that one step copies at most. */
const STEP = 100;
/** How long a step may wait for the server. */
const PATIENCE_MS = 30_000;

export class History {
  readonly #link: Link;
  readonly #bindings: Bindings;
  readonly #copying = new Map<string, Promise<void>>();

  constructor(link: Link, bindings: Bindings) {
    this.#link = link;
    this.#bindings = bindings;
  }

  /** Copies what is to be copied into a queue; resolves when that is over. Should it fail, somebody goes on with it. */
  copy(queue: string): Promise<void> {
    const copying = this.#copying.get(queue);
    if (copying !== undefined) return copying;
    const begun = this.#copyAll(queue)
      .catch(() => undefined)
      .finally(() => this.#copying.delete(queue));
    this.#copying.set(queue, begun);
    return begun;
  }

  async #copyAll(queue: string): Promise<void> {
    for (;;) {
      const [pattern, place] = (await this.#run('copies', [queue])) as Buffer[];
      if (pattern === undefined || place === undefined) return;
      await this.#copyStep(queue, String(pattern), String(place));
    }
  }

  async #copyStep(queue: string, pattern: string, place: string): Promise<void> {
    const [next = '', last = ''] = place.split(' ');
    const exact = /[*>]/.test(pattern) ? '' : pattern;
    const args = [next, last, exact, toLuaPattern(pattern), STEP];
    const [isTrimmed, upTo, isAll, ...events] = (await this.#run('read', args)) as [
      number,
      Buffer,
      number,
      ...Buffer[],
    ];
    const all = await this.#bindings.all(performance.now() + PATIENCE_MS);
    const own = all.find((binding) => binding.queue === queue && binding.pattern === pattern);
    const ids: string[] = [];
    for (let index = 0; index < events.length; index += 5) {
      const [id, topic] = [String(events[index]), String(events[index + 1])];
      if (own !== undefined && belongs(topic, id, own, all)) ids.push(id);
    }
    const step = [queue, pattern, place, `${isTrimmed === 1 ? upTo : String(upTo)} ${last}`, isAll, ...ids];
    await this.#run('copy', step);
  }

  #run(script: 'copies' | 'read' | 'copy', args: readonly (string | number)[]): Promise<unknown> {
    return this.#link.run(SCRIPTS[script], args, { deadline: performance.now() + PATIENCE_MS, repeat: true });
  }
}

/** An event enters a queue once: what an earlier binding has brought, or will, is not brought again. */
function belongs(topic: string, id: string, own: KnownBinding, all: readonly KnownBinding[]): boolean {
  if (!matchTopic(own.pattern, topic)) return false;
  return !all.some(
    ({ queue, pattern, since, number }) =>
      queue === own.queue && number < own.number && compareIds(id, since) > 0 && matchTopic(pattern, topic),
  );
}
