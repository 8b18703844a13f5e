/** The order in which messages with ordering keys are exported. */

import type { ReconnectingClient } from '../connection/client.ts';
import { ORDER_ENTRIES } from '../lua/inspect.ts';
import { type FoundMessage, type FoundPage, findByKeys } from './browse.ts';

const PAGE = 1000;

/**
 * Puts earlier messages of an ordering key before later ones. The order of states does not: the first message of a key can be
 * delayed while the next one is ready.
 */
export class ExportOrder {
  readonly #client: ReconnectingClient;
  readonly #queue: string;
  readonly #deadline: number;
  /** Keys of messages that were not exported yet, by ordering key: the first is the last of its list. */
  readonly #waiting: ReadonlyMap<string, string[]>;
  /** Messages that were exported before their turn. */
  readonly #early = new Set<string>();

  private constructor(
    client: ReconnectingClient,
    queue: string,
    deadline: number,
    waiting: ReadonlyMap<string, string[]>,
  ) {
    this.#client = client;
    this.#queue = queue;
    this.#deadline = deadline;
    this.#waiting = waiting;
  }

  static async read(client: ReconnectingClient, queue: string, deadline: number): Promise<ExportOrder> {
    const waiting = new Map<string, string[]>();
    for (let after = '', isMore = true; isMore; ) {
      const page = (await client.run(ORDER_ENTRIES, [queue, after, PAGE], { deadline, repeat: true })) as Buffer[];
      for (const entry of page.map(String)) {
        const [, orderingKey = '', key = ''] = /^([^\n]*)\n\d+\n(.*)$/s.exec(entry) ?? [];
        const keys = waiting.get(orderingKey);
        if (keys === undefined) waiting.set(orderingKey, [key]);
        else keys.push(key);
      }
      after = String(page.at(-1) ?? '');
      isMore = page.length === PAGE;
    }
    for (const keys of waiting.values()) keys.reverse();
    return new ExportOrder(client, queue, deadline, waiting);
  }

  /** The messages of a page, with those that must come before them. */
  async arrange({ found: page, at }: FoundPage): Promise<FoundMessage[]> {
    if (this.#waiting.size === 0) return [...page];
    const turns = page.flatMap((found) => (this.#early.has(found.key) ? [] : [{ found, before: this.#before(found) }]));
    const missing = new Set(turns.flatMap(({ before }) => before));
    const early =
      missing.size === 0 ? [] : await findByKeys(this.#client, this.#queue, missing, { deadline: this.#deadline, at });
    const byKey = new Map([...page, ...early].map((found) => [found.key, found]));
    return turns.flatMap(({ found, before }) => [...before.flatMap((key) => byKey.get(key) ?? []), found]);
  }

  /** The keys of earlier messages with its ordering key that were not exported yet. */
  #before({ key, browsed: { state, message } }: FoundMessage): string[] {
    const waiting = state === 'dead' ? undefined : this.#waiting.get(message.orderingKey ?? '');
    const at = waiting?.lastIndexOf(key) ?? -1;
    if (waiting === undefined || at < 0) return [];
    const before = waiting.splice(at).reverse().slice(0, -1);
    for (const each of before) this.#early.add(each);
    return before;
  }
}
