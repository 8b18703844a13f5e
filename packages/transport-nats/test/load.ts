/** Producers and consumers that work while servers are killed, and what they saw. */

import type { Delivery, Transport } from '@busbar/api/transport';
import { expect } from 'vitest';

/** A delivery whose settlement was answered `done`. Times are of the monotonic clock. */
export interface Handling {
  readonly client: number;
  readonly receivedAt: number;
  /** The settlement took effect after this time. */
  readonly settlingAt: number;
  readonly settledAt: number;
}

const QUEUE = 'work';
const SENDERS = 4;
const CONSUMERS = 4;
const BATCH = 10;
const PAUSE_MS = 10;
/** Senders wait for consumers. A receive reads the ledger for each message that was sent before a kill. */
const MAX_WAITING = 2_000;
const QUIET_MS = 60_000;

/** Senders and consumers on each transport, which work until they are stopped. */
export class Load implements Disposable {
  readonly acknowledged = new Set<string>();
  readonly handled = new Map<string, Handling[]>();
  readonly #leaseMs: number;
  readonly #work: Promise<unknown>;
  #isSending = true;
  #isOver = false;

  private constructor(transports: readonly Transport[], leaseMs: number) {
    this.#leaseMs = leaseMs;
    const roles = transports.flatMap((transport, client) => [
      ...Array.from({ length: SENDERS }, (_, lane) => this.#send(transport, `${client}-${lane}`)),
      ...Array.from({ length: CONSUMERS }, () => this.#consume(transport, client)),
    ]);
    this.#work = Promise.all(roles);
  }

  /** Configures the queue, and starts. */
  static async start(transports: readonly Transport[], leaseMs: number): Promise<Load> {
    await transports[0]?.queues.configure(QUEUE, { leaseMs, maxAttempts: 1_000 });
    return new Load(transports, leaseMs);
  }

  /** Resolves when more messages are handled, at some moment of the work. */
  async proceeds(count: number, timeout: number): Promise<void> {
    const enough = this.handled.size + count;
    await expect.poll(() => this.handled.size, { timeout, interval: 10 }).toBeGreaterThan(enough);
    await pause(Math.random() * 300);
  }

  /** Ends the sends. Resolves when everything acknowledged is handled. */
  async drained(): Promise<void> {
    this.#isSending = false;
    const missing = (): string[] => [...this.acknowledged].filter((id) => !this.handled.has(id));
    await expect.poll(() => missing().length, { timeout: QUIET_MS, interval: 200 }).toBe(0);
    this.#isOver = true;
    await this.#work;
  }

  /** Messages that were settled more than once, with the story of each. */
  get repeated(): [string, Handling[]][] {
    return [...this.handled].filter(([, handlings]) => handlings.length > 1);
  }

  async #send({ queues }: Transport, sender: string): Promise<void> {
    for (let number = 0; this.#isSending; number += 1) {
      const messages = Array.from({ length: BATCH }, (_, index) => `${sender}-${number}-${index}`).map((id) => ({
        ...{ id, body: Buffer.from(id) },
      }));
      const results = await queues.send(QUEUE, messages, { timeoutMs: QUIET_MS }).catch(() => []);
      for (const { id, status } of results) if (status === 'stored') this.acknowledged.add(id);
      do await pause(PAUSE_MS);
      while (this.#isSending && this.acknowledged.size - this.handled.size > MAX_WAITING);
    }
  }

  async #consume({ queues }: Transport, client: number): Promise<void> {
    while (!this.#isOver) {
      const deliveries: Delivery[] = await queues.receive(QUEUE, { max: 50, waitMs: 500 }).catch(() => []);
      const receivedAt = performance.now();
      // Some hold their messages for most of a lease, or for longer.
      if (Math.random() < 0.05) await pause(Math.random() * 1.2 * this.#leaseMs);
      const settlingAt = performance.now();
      const acks = deliveries.map(({ receipt }) => ({ receipt, action: 'ack' as const }));
      const settled = await queues.settle(acks).catch(() => []);
      const handling = { client, receivedAt, settlingAt, settledAt: performance.now() };
      for (const [index, { status }] of settled.entries()) {
        const id = deliveries[index]?.id ?? '';
        if (status === 'done') this.handled.set(id, [...(this.handled.get(id) ?? []), handling]);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#isSending = false;
    this.#isOver = true;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
