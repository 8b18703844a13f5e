/** What became of each message that was sent, to be judged once the fault is over. */

import { isBusbarError } from '@busbar/api';
import type { SendResult, Transport } from '@busbar/api/transport';
import type { Lab } from '../context/test-context.ts';

/** How a call may end that a fault hit. */
export const FAULT_CODES: ReadonlySet<string> = new Set(['UNAVAILABLE', 'TIMEOUT', 'BACKPRESSURE']);

/** How to send. */
export interface HistoryOptions {
  /** Default 5,000. */
  readonly timeoutMs?: number;
  /** Default: the id. */
  readonly body?: Uint8Array;
}

/** A history of sends: each id is acknowledged, failed (never stored), or unknown (may have been stored). */
export class History {
  readonly acknowledged: Set<string> = new Set();
  readonly failed: Set<string> = new Set();
  readonly unknown: Set<string> = new Set();
  readonly #lab: Lab;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** Sends messages with these ids and writes down what became of each. Rejects only where an error is not one of a fault. */
  async send(
    { queues }: Transport,
    queue: string,
    ids: readonly string[],
    { timeoutMs = 5_000, body }: HistoryOptions = {},
  ): Promise<void> {
    const messages = ids.map((id) => ({ id, body: body ?? Buffer.from(id) }));
    try {
      for (const result of await queues.send(queue, messages, { timeoutMs })) this.#note(result);
    } catch (error) {
      for (const id of ids) this.#note({ id, status: this.#outcome(error) });
    }
  }

  /** Whether an error is one that a fault may bring, and what it says of the outcome. */
  #outcome(error: unknown): 'failed' | 'unknown' {
    if (!isBusbarError(error)) throw error;
    this.#lab.check.ok(
      FAULT_CODES.has(error.code),
      `an error of a fault is UNAVAILABLE or TIMEOUT, not ${error.code}: ${error.message}`,
    );
    return error.outcome;
  }

  #note({ id, status, error }: SendResult): void {
    if (error !== undefined) this.#outcome(error);
    const place = status === 'failed' ? this.failed : status === 'unknown' ? this.unknown : this.acknowledged;
    place.add(id);
  }

  /** Asserts that what was delivered agrees with what was answered. */
  judge(delivered: ReadonlySet<string>): void {
    const { check } = this.#lab;
    const lost = [...this.acknowledged].filter((id) => !delivered.has(id));
    check.equal(lost, [], 'acknowledged and lost');
    const undead = [...this.failed].filter((id) => delivered.has(id));
    check.equal(undead, [], 'said to have failed, and delivered');
    const attempted = new Set([...this.acknowledged, ...this.failed, ...this.unknown]);
    check.equal(
      [...delivered].filter((id) => !attempted.has(id)),
      [],
      'delivered, and never sent',
    );
  }
}
