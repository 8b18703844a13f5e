/** Consumers that wait: all of a process share one bell and one timer. */

import type { CallContext, ReceiveRequest } from '@busbar/api/driver';
import type { BusbarError, Delivery, QueueSettings } from '@busbar/api/transport';
import type { Batcher } from '../connection/batcher.ts';
import type { Transaction } from '../connection/transaction.ts';
import { type CommitNotifier, Notifier } from '../wakeup/commit-notifier.ts';
import type { WaiterRegistry } from '../wakeup/waiter-registry.ts';
import { type Claimants, Claiming, hasSomething } from './claim.ts';
import { Deadlines } from './deadline-queue.ts';
import { isNew, type Waiter } from './pending-receive.ts';

/** How much longer than it wants to a receive waits when the store is locked. */
const MAX_STUCK_MS = 30_000;

export class PendingReceives implements Claimants {
  readonly #batcher: Batcher;
  readonly #listeners: WaiterRegistry;
  readonly sizeChanged: Notifier = new Notifier();
  readonly #queues = new Map<string, Set<Waiter>>();
  readonly #deadlines = new Deadlines<Waiter>((waiter) => this.#leave(waiter, []));
  /** The last operation that looks for messages of a queue, and how many had been added with it. */
  readonly #looking = new Map<string, number>();
  /** Queues that had more than was asked for: looking whether there is something can be saved. */
  readonly #full = new Set<string>();
  /** Queues that nobody waits for any more though the store was told so, since when. */
  readonly #abandoned = new Map<string, number>();
  /** Of queues that go when idle: when they are to be used next, since somebody waits for them. */
  readonly #useAt = new Map<string, number>();
  #shortestLeaseMs = Number.POSITIVE_INFINITY;
  #size = 0;

  constructor(batcher: Batcher, listeners: WaiterRegistry, commits: CommitNotifier) {
    this.#batcher = batcher;
    this.#listeners = listeners;
    commits.committed.subscribe(({ readyQueues, store }) => {
      for (const { ns, name } of readyQueues) if (ns === store.ns) this.wake(name);
    });
  }

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** The queues that somebody waits for. */
  get queues(): ReadonlyMap<string, ReadonlySet<unknown>> {
    return this.#queues;
  }

  /** How often the store must be looked at: no lease that others take ends unnoticed, no queue goes as idle. */
  get lookMs(): number {
    let useAt = Number.POSITIVE_INFINITY;
    for (const at of this.#useAt.values()) useAt = Math.min(useAt, at);
    return Math.min(this.#shortestLeaseMs, Math.max(0, useAt - performance.now()));
  }

  receive(queue: string, wanted: ReceiveRequest, context: CallContext): Promise<Delivery[]> {
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + wanted.waitMs;
      const states = { isWaiting: false, decidedIn: undefined, isOver: false };
      const waiter: Waiter = { queue, wanted, context, resolve, reject, deadline, ...states };
      this.#enter(waiter);
      this.wake(queue);
    });
  }

  /** There may be something in `queue`. */
  wake(queue: string): void {
    if (!this.#queues.has(queue) || this.#looking.get(queue) === this.#batcher.addedCount) return;
    if (this.#full.has(queue) || !this.#listeners.has('queue', queue)) this.#claim(queue);
    else this.#peek(queue);
  }

  /** Uses the queues that would go as idle though somebody waits for them. */
  useQueues(): void {
    const now = performance.now();
    for (const [queue, at] of this.#useAt) {
      if (!this.#queues.has(queue)) this.#useAt.delete(queue);
      else if (at <= now) this.#claim(queue);
    }
  }

  /** Ends all waiting. */
  close(): void {
    for (const waiters of this.#queues.values()) for (const waiter of waiters) this.#leave(waiter, []);
    this.#deadlines.clear();
  }

  /** Those who wait for `queue`, first come first. Whoever is not waited for any more leaves. */
  waiters(queue: string): Waiter[] {
    return [...(this.#queues.get(queue) ?? [])];
  }

  /** What a claim has brought: hands it out, and sends those away who do not want to wait. */
  settle(queue: string, served: ReadonlyMap<Waiter, Delivery[]>, hasMore: boolean): void {
    if (hasMore) this.#full.add(queue);
    else this.#full.delete(queue);
    for (const [waiter, deliveries] of served) {
      if (deliveries.length > 0 || waiter.wanted.waitMs === 0) this.#leave(waiter, deliveries);
      else this.#wait(waiter);
    }
    this.#looking.delete(queue);
    if (hasMore) this.wake(queue);
  }

  /** What a claim has learned of how the queue is set. */
  learn(queue: string, { leaseMs, expireIdleMs }: Required<QueueSettings>): void {
    this.#shortestLeaseMs = Math.min(this.#shortestLeaseMs, leaseMs);
    if (expireIdleMs < Number.POSITIVE_INFINITY) this.#useAt.set(queue, performance.now() + expireIdleMs / 4);
    else this.#useAt.delete(queue);
  }

  /** The store is locked, so that nobody can look: who came anew does not wait for that without end. */
  giveUpStuck(queue: string, now: number, looksAtSignals: boolean, error: BusbarError): boolean {
    for (const waiter of this.waiters(queue).filter(isNew)) {
      if (looksAtSignals && waiter.context.signal.aborted) this.#leave(waiter, []);
      else if (waiter.deadline + MAX_STUCK_MS < now) {
        this.#leave(waiter, undefined);
        waiter.reject(error);
      }
    }
    return !this.#queues.has(queue);
  }

  fail(queue: string, error: BusbarError): void {
    for (const waiter of this.waiters(queue)) {
      this.#leave(waiter, undefined);
      waiter.reject(error);
    }
  }

  #claim(queue: string): void {
    if (!this.#queues.has(queue)) return;
    this.#batcher.add(new Claiming(queue, this, this.#listeners));
    this.#looking.set(queue, this.#batcher.addedCount);
  }

  /** Looks without taking the lock of the writers: 10,000 idle consumers write nothing. */
  #peek(queue: string): void {
    const look = (transaction: Transaction): boolean => hasSomething(transaction, queue);
    const waiters = this.waiters(queue).filter(isNew);
    const isThere = waiters.length === 0 ? this.#batcher.readNow(look) : undefined;
    if (isThere === undefined) this.#peekInTurn(queue, waiters, look);
    else if (isThere) this.#claim(queue);
  }

  #peekInTurn(queue: string, waiters: readonly Waiter[], look: (transaction: Transaction) => boolean): void {
    const found = this.#batcher.read(look);
    this.#looking.set(queue, this.#batcher.addedCount);
    found.then(
      (isThere) => {
        this.#looking.delete(queue);
        if (isThere) this.#claim(queue);
        else this.settle(queue, new Map(waiters.filter(isNew).map((waiter) => [waiter, []])), false);
      },
      (error: BusbarError) => this.fail(queue, error),
    );
  }

  #enter(waiter: Waiter): void {
    const waiters = this.#queues.get(waiter.queue);
    this.#abandoned.delete(waiter.queue);
    if (waiters === undefined) this.#queues.set(waiter.queue, new Set([waiter]));
    else waiters.add(waiter);
    this.#size += 1;
  }

  /** Begins to wait in earnest, having found nothing. */
  #wait(waiter: Waiter): void {
    if (waiter.isOver || waiter.isWaiting) return;
    waiter.isWaiting = true;
    this.#deadlines.add(waiter, waiter.deadline);
    waiter.context.signal.addEventListener('abort', () => this.#leave(waiter, []), { once: true });
    if (waiter.context.signal.aborted) this.#leave(waiter, []);
    this.sizeChanged.notify();
  }

  #abandon(queue: string): void {
    this.#queues.delete(queue);
    if (this.#listeners.has('queue', queue)) this.#abandoned.set(queue, performance.now());
    if (this.#queues.size === 0) this.#shortestLeaseMs = Number.POSITIVE_INFINITY;
  }

  #leave(waiter: Waiter, deliveries: Delivery[] | undefined): void {
    if (waiter.isOver) return;
    waiter.isOver = true;
    const waiters = this.#queues.get(waiter.queue);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#abandon(waiter.queue);
    this.#size -= 1;
    if (deliveries !== undefined) waiter.resolve(deliveries);
    if (this.#size === 0) this.sizeChanged.notify();
  }
}
