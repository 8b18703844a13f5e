/** Records the outcome of each send during a fault, and checks it after the fault. */

import { type BusbarError, isBusbarError } from '@busbar/api';
import type { SendResult, Transport } from '@busbar/api/transport';
import type { TestContext } from '../context/test-context.ts';

/** Error codes a call may reject with during a fault. */
const FAULT_CODES: ReadonlySet<string> = new Set(['UNAVAILABLE', 'TIMEOUT', 'BACKPRESSURE']);

/** Asserts that a fault can cause `error`, and returns its outcome. */
export function assertFault(test: TestContext, error: unknown): BusbarError['outcome'] {
  if (!isBusbarError(error)) throw error;
  const what = `an error of a fault is UNAVAILABLE or TIMEOUT, not ${error.code}: ${error.message}`;
  test.check.ok(FAULT_CODES.has(error.code), what);
  return error.outcome;
}

/** Options of a send. */
export interface HistoryOptions {
  /** Default 5,000. */
  readonly timeoutMs?: number;
  /** Default: the id. */
  readonly body?: Uint8Array;
}

/** Each sent id is acknowledged, failed (never stored) or unknown (may be stored). */
export class SendHistory {
  readonly acknowledged: Set<string> = new Set();
  readonly failed: Set<string> = new Set();
  readonly unknown: Set<string> = new Set();
  readonly #test: TestContext;

  constructor(test: TestContext) {
    this.#test = test;
  }

  /** Sends messages with these ids and records each outcome. Rejects only with an error that no fault explains. */
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
      for (const id of ids) this.#note({ id, status: assertFault(this.#test, error) });
    }
  }

  #note({ id, status, error }: SendResult): void {
    if (error !== undefined) assertFault(this.#test, error);
    const place = status === 'failed' ? this.failed : status === 'unknown' ? this.unknown : this.acknowledged;
    place.add(id);
  }

  /** Asserts that the deliveries agree with the recorded outcomes. */
  verify(delivered: ReadonlySet<string>): void {
    const { check } = this.#test;
    const lost = [...this.acknowledged].filter((id) => !delivered.has(id));
    check.equal(lost, [], 'acknowledged and lost');
    const undead = [...this.failed].filter((id) => delivered.has(id));
    check.equal(undead, [], 'reported as failed, and delivered');
    const attempted = new Set([...this.acknowledged, ...this.failed, ...this.unknown]);
    const foreign = [...delivered].filter((id) => !attempted.has(id));
    check.equal(foreign, [], 'delivered, and never sent');
  }
}
