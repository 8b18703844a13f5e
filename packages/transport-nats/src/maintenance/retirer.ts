/** Deletes the consumers of mailboxes that are no longer busy. */

import { pause } from '../connection/pause.ts';
import type { QueueContext } from '../queues/queue-context.ts';
import { FRESH_MS, isMailbox, type KnownQueue, type QueueRecord } from '../queues/queue-record.ts';

/** A mailbox without deliveries for this long is not busy. */
const IDLE_MS = 60_000;
/** Time for the second change of the record, and for receives that go by the record before it. */
const ASK_MS = 10_000;

export class Retirer {
  readonly #shared: QueueContext;
  readonly #idleMs: number;

  constructor(shared: QueueContext, idleMs: number = IDLE_MS) {
    this.#shared = shared;
    this.#idleMs = idleMs;
  }

  /**
   * Retires the consumers of an idle mailbox. First all receives begin to ask the ledger before they deliver. Clients know that
   * within a second. Then some may claim without the consumers while others still pull from them: the ledger decides.
   */
  async retire(name: string): Promise<boolean> {
    const { records, consumers } = this.#shared;
    const queue = isMailbox(name) ? await records.read(name) : undefined;
    if (queue === undefined || !(await this.#isIdle(queue))) return false;
    if (!(await this.#change(queue, {}))) return false;
    await pause(2 * FRESH_MS);
    if (!(await this.#isIdle(queue))) return false;
    const { generation } = queue.record;
    if (!(await this.#change(queue, { direct: true, generation: generation + 1 }))) return false;
    await consumers.remove(queue);
    return true;
  }

  /** Changes the record unless another client changed the consumers. A second change comes before receives stop to ask. */
  async #change(queue: KnownQueue, change: Partial<QueueRecord>): Promise<boolean> {
    const { records, clock, names, requests } = this.#shared;
    let isChanged = false;
    await records.change(queue.name, (record) => {
      const isSame =
        record?.inc === queue.record.inc && record.generation === queue.record.generation && !record.direct;
      isChanged = isSame && (change.direct !== true || record.askUntil > clock.late);
      return isChanged && record ? { ...record, ...change, askUntil: clock.late + ASK_MS } : undefined;
    });
    if (isChanged) requests.send(names.notice(queue.name));
    return isChanged;
  }

  async #isIdle(queue: KnownQueue): Promise<boolean> {
    const { consumers, clock } = this.#shared;
    const { direct, bindings, lanes } = queue.record;
    if (direct || bindings.length > 0) return false;
    const since = await Promise.all((['normal', ...lanes] as const).map((lane) => consumers.idleSince(queue, lane)));
    return since.every((at) => at + this.#idleMs <= clock.now);
  }
}
