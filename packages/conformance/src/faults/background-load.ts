/** Producers and consumers that run during a fault, and checks of their deliveries. */

import type { Delivery, Transport } from '@busbar/api/transport';
import type { TestContext } from '../context/test-context.ts';
import { isEmpty } from '../steps/queue-view.ts';
import { assertFault, SendHistory } from './send-history.ts';

const QUEUE = 'load';
const BATCH = 5;
/** Time limit for recovery after a fault. */
const RECOVERY_MS = 20_000;

/** Options of a {@link BackgroundLoad}. */
export interface BackgroundLoadOptions {
  /** Default 1,500. */
  readonly leaseMs?: number;
}

/** An acknowledged ack and the time of its call. */
interface Acked {
  readonly id: string;
  readonly at: number;
}

/** Two producers and two consumers, each with its own client. */
export class BackgroundLoad {
  readonly history: SendHistory;
  readonly #test: TestContext;
  readonly #stopProducers = new AbortController();
  readonly #stopConsumers = new AbortController();
  readonly #acked: Acked[] = [];
  readonly #ackedIds = new Set<string>();
  readonly #repeatedAfterAck: { readonly id: string; readonly ackedAt: number }[] = [];
  #leaseMs = 0;
  #work: Promise<unknown> = Promise.resolve();
  #producing: Promise<unknown> = Promise.resolve();

  constructor(test: TestContext) {
    this.#test = test;
    this.history = new SendHistory(test);
  }

  /** Starts the load. Resolves when messages have been sent and acked. */
  async start({ leaseMs = 1_500 }: BackgroundLoadOptions = {}): Promise<void> {
    this.#leaseMs = leaseMs;
    const first = await this.#test.transport();
    await first.queues.configure(QUEUE, { leaseMs, maxAttempts: 100 });
    const clients = await Promise.all([first, this.#test.open(), this.#test.open(), this.#test.open()]);
    const [one, two, three, four] = clients;
    this.#producing = Promise.all([this.#produce(one, 'a'), this.#produce(two, 'b')]);
    this.#work = Promise.all([this.#producing, this.#consume(three, 'c'), this.#consume(four, 'd')]);
    this.#work.catch(() => undefined);
    this.#producing.catch(() => undefined);
    await this.#progress(50);
  }

  /** Resolves when sends and acks succeed again after a fault. */
  async recovers(): Promise<void> {
    await this.#progress(50);
  }

  /** Stops the producers, waits for the consumers, and checks all deliveries. */
  async finish(lostAcksSince?: number): Promise<void> {
    this.#stopProducers.abort();
    await this.#producing;
    const transport = await this.#test.transport();
    await this.#whileWorking(this.#test.until('the queue to be empty', () => isEmpty(transport, QUEUE), RECOVERY_MS));
    this.#stopConsumers.abort();
    await this.#work;
    this.#verify(lostAcksSince);
  }

  #verify(lostAcksSince = Number.POSITIVE_INFINITY): void {
    const { check, recorder, capabilities } = this.#test;
    this.history.verify(new Set(recorder.all.map(({ id }) => id)));
    const wrong = this.#repeatedAfterAck.filter(({ ackedAt }) => ackedAt < lostAcksSince - capabilities.settleLossMs);
    check.equal(wrong, [], 'redelivered after its ack');
    if (capabilities.attemptLossMs === 0) check.equal(recorder.repeated(), [], 'an attempt number of two deliveries');
  }

  /** Resolves after `count` more acknowledged sends and as many more acks. */
  async #progress(count: number): Promise<void> {
    const { acknowledged } = this.history;
    const [sent, acked] = [acknowledged.size + count, this.#ackedIds.size + count];
    const isFurther = (): boolean => acknowledged.size >= sent && this.#ackedIds.size >= acked;
    await this.#whileWorking(this.#test.until('messages are sent and acked', isFurther, RECOVERY_MS));
  }

  /** Resolves as `wait` does, and rejects if the load fails first. */
  async #whileWorking<T>(wait: Promise<T>): Promise<T> {
    const broken = this.#work.then(() => new Promise<never>(() => undefined));
    return Promise.race([wait, broken]);
  }

  async #produce(transport: Transport, name: string): Promise<void> {
    const { signal } = this.#stopProducers;
    for (let batch = 0; !signal.aborted; batch += 1) {
      const ids = Array.from({ length: BATCH }, (_, index) => `${name}-${batch}-${index}`);
      await this.history.send(transport, QUEUE, ids);
      await aTurn();
    }
  }

  async #consume(transport: Transport, name: string): Promise<void> {
    const { signal } = this.#stopConsumers;
    while (!signal.aborted) {
      const began = performance.now();
      const got = await this.#survive(() => transport.queues.receive(QUEUE, { max: 10, waitMs: 100, consumer: name }));
      if (got !== undefined && got.length > 0) await this.#take(transport, got, name, began);
      else await aTurn();
    }
  }

  async #take(transport: Transport, got: readonly Delivery[], name: string, began: number): Promise<void> {
    this.#test.recorder.add(got, name);
    const at = performance.now();
    // A delivery that took longer than a lease may be older than the ack.
    if (at - began < this.#leaseMs) for (const { id } of got) this.#noteRepeated(id);
    const acks = got.map(({ receipt }) => ({ receipt, action: 'ack' as const }));
    const results = await this.#survive(() => transport.queues.settle(acks, { timeoutMs: 5_000 }));
    for (const [index, { id }] of got.entries()) {
      if (results?.[index]?.status !== 'done') continue;
      this.#acked.push({ id, at });
      this.#ackedIds.add(id);
    }
  }

  #noteRepeated(id: string): void {
    if (!this.#ackedIds.has(id)) return;
    const ackedAt = this.#acked.findLast((acked) => acked.id === id)?.at ?? 0;
    this.#repeatedAfterAck.push({ id, ackedAt });
  }

  /** Resolves as `work` does, or with undefined if a fault rejected it. */
  async #survive<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      assertFault(this.#test, error);
      return undefined;
    }
  }
}

/** Lets other work run in between. */
function aTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2));
}
