/** Copies earlier events into the queue of a new binding, in bounded steps. Any process continues an unfinished backfill. */

import type { WorkFailures } from '@busbar/api/driver';
import { matchTopic } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import type { Argument } from '../connection/encode-command.ts';
import { BACKFILL, PENDING_BACKFILLS } from '../lua/bindings.ts';
import type { Script } from '../lua/script.ts';
import type { BindingCache, StoredBinding } from './bindings.ts';
import { readLog } from './event-log.ts';
import { compareIds } from './position.ts';

/** Events of one step. */
const STEP = 100;
/** How long a step may wait for the server. */
const TIMEOUT_MS = 30_000;
/** How long closing may wait for running backfills. */
const CLOSE_MS = 1_000;

export class Backfill {
  readonly #client: ReconnectingClient;
  readonly #bindings: BindingCache;
  readonly #failures: WorkFailures;
  readonly #running = new Map<string, Promise<void>>();
  #isClosed = false;

  constructor(client: ReconnectingClient, bindings: BindingCache, failures: WorkFailures) {
    this.#client = client;
    this.#bindings = bindings;
    this.#failures = failures;
  }

  /** Resolves when the pending backfills of a queue are done or have failed; maintenance continues a failed one. */
  run(queue: string): Promise<void> {
    const running = this.#running.get(queue);
    if (running !== undefined) return running;
    const started = this.#copyAll(queue)
      .catch((error: unknown) => this.#failures.report('backfill', error))
      .finally(() => this.#running.delete(queue));
    this.#running.set(queue, started);
    return started;
  }

  /** Completes running backfills as far as time allows, so that counts after a short program are right. Others continue the rest. */
  async close(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, CLOSE_MS);
    await Promise.race([Promise.all(this.#running.values()), late.promise]);
    clearTimeout(timer);
    this.#isClosed = true;
  }

  async #copyAll(queue: string): Promise<void> {
    while (!this.#isClosed) {
      const [pattern, range] = (await this.#runScript(PENDING_BACKFILLS, [queue])) as Buffer[];
      if (pattern === undefined || range === undefined) return;
      await this.#copyStep(queue, String(pattern), String(range));
    }
  }

  async #copyStep(queue: string, pattern: string, range: string): Promise<void> {
    const [next = '', last = '', sequence] = range.split(' ');
    const page = await readLog(this.#client, { after: next, upTo: last, pattern, max: STEP }, deadline());
    const all = await this.#bindings.all(deadline());
    const own = all.find((binding) => binding.queue === queue && binding.pattern === pattern);
    const events = page.events.filter(({ id, topic }) => own !== undefined && isNewFor(topic, id, own, all));
    const ids = events.map(({ id }) => id);
    const remaining = `${page.reached} ${last} ${Number(sequence) + ids.length}`;
    await this.#runScript(BACKFILL, [queue, pattern, range, remaining, page.isEnd ? 1 : 0, ...ids]);
  }

  #runScript(script: Script, args: readonly Argument[]): Promise<unknown> {
    return this.#client.run(script, args, { deadline: deadline(), repeat: true });
  }
}

function deadline(): number {
  return performance.now() + TIMEOUT_MS;
}

/** An event enters a queue once, so events of an older binding of the same queue are skipped. */
function isNewFor(topic: string, id: string, own: StoredBinding, all: readonly StoredBinding[]): boolean {
  return !all.some(
    ({ queue, pattern, since, number }) =>
      queue === own.queue && number < own.number && compareIds(id, since) > 0 && matchTopic(pattern, topic),
  );
}
