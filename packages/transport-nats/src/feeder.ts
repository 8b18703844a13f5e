/** Brings history into bound queues, step by step; whoever opens or claims later goes on where a binder stopped. */

import type { PreparedMessage } from '@busbar/api/driver';
import { matchTopic } from '@busbar/api/transport';
import { HistoryReader } from './history-reader.ts';
import type { NumberedEvent } from './recent-events.ts';
import { messageSize } from './record.ts';
import type { Replica } from './replica.ts';
import type { Bound } from './state/bindings.ts';
import type { FedEvent } from './state/operation.ts';

const STEP_BYTES = 200_000;

/** The feeder of one transport. */
export class Feeder {
  readonly #replica: Replica;
  readonly #busy = new Map<string, Promise<void>>();

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** Feeds `queue` what it lacks of its history; resolves after the first step, the rest follows. */
  async begin(queue: string): Promise<void> {
    if (this.#replica.state.bindings.unfed(queue) === undefined || this.#busy.has(queue)) return;
    const reader = new HistoryReader(this.#replica);
    const isMore = await this.#step(queue, reader);
    if (!isMore) {
      reader.close();
      return;
    }
    const rest = this.#run(queue, reader).catch(() => undefined); // A later claim goes on with it.
    this.#busy.set(queue, rest);
    void rest.then(() => {
      this.#busy.delete(queue);
      reader.close();
    });
  }

  async #run(queue: string, reader: HistoryReader): Promise<void> {
    while (await this.#step(queue, reader));
  }

  /** One step; false when there is nothing left to do. */
  async #step(queue: string, reader: HistoryReader): Promise<boolean> {
    const bound = this.#replica.state.bindings.unfed(queue);
    if (bound?.fed === undefined) return false;
    const from = bound.fed;
    const { trimmed } = this.#replica.state.history;
    const { events, next } = from <= trimmed ? { events: [], next: trimmed + 1 } : await reader.read(from);
    const { fed, to } = this.#select(bound, events, next);
    await this.#replica.ask({ op: 'feed', queue, pattern: bound.pattern, from, to, events: fed });
    return this.#replica.state.bindings.unfed(queue) !== undefined;
  }

  /** What of these events `bound` brings, as much as one record takes. */
  #select({ pattern }: Bound, events: readonly NumberedEvent[], next: number): { fed: FedEvent[]; to: number } {
    const fed: FedEvent[] = [];
    let bytes = 0;
    for (const { number, topic, message } of events) {
      if (!matchTopic(pattern, topic)) continue;
      const aged = this.#aged(number, message);
      if (aged === undefined) continue;
      bytes += messageSize(message);
      if (fed.length > 0 && bytes > STEP_BYTES) return { fed, to: number };
      fed.push({ number, topic, message: aged });
    }
    return { fed, to: next };
  }

  /** The message with what is left of its delay and its time to live; undefined where that is over. */
  #aged(number: number, message: PreparedMessage): PreparedMessage | undefined {
    if (message.delayMs === 0 && message.ttlMs === undefined) return message;
    const { agenda, history } = this.#replica.state;
    const age = Math.max(0, agenda.probably - (history.timeOf(number) ?? agenda.probably));
    const delayMs = Math.max(0, message.delayMs - age);
    if (message.ttlMs === undefined) return { ...message, delayMs };
    return message.ttlMs > age ? { ...message, delayMs, ttlMs: message.ttlMs - age } : undefined;
  }
}
