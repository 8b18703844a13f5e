/**
 * Claims messages for the receives of a queue. It never waits: `openTransport` does. A commit of this process wakes waiting
 * receives here, a commit of another process wakes them in wakeup/local-waiters.ts.
 */

import type { CallContext, ClaimRequest, ClaimResult, WaitingReceives } from '@busbar/api/driver';
import type { Delivery } from '@busbar/api/transport';
import type { Batcher } from '../connection/batcher.ts';
import type { Transaction } from '../connection/transaction.ts';
import type { CommitNotifier } from '../wakeup/notifier.ts';
import type { WaiterRegistry } from '../wakeup/waiter-registry.ts';
import { leaseMessages } from './lease-messages.ts';
import type { QueueRow } from './queue-row.ts';

/** How long a registration for a queue stays without a waiting receive: mostly a new one follows soon. */
const KEEP_UNUSED_MS = 30_000;

/** How often a queue is claimed while the gate is draining, if nothing wakes its receives. */
const DRAINING_RECHECK_MS = 1000;

/** The result of a look without the write lock. */
interface Peek {
  readonly hasWork: boolean;
  readonly result: ClaimResult;
}

export class QueueClaims {
  readonly #batcher: Batcher;
  readonly #registry: WaiterRegistry;
  readonly #waiting: WaitingReceives;
  /** Queues that had more messages than were claimed: a peek would be wasted. */
  readonly #nonEmpty = new Set<string>();
  /** Queues that this process is registered for without a waiting receive, and since when. */
  readonly #unusedSince = new Map<string, number>();

  constructor(batcher: Batcher, registry: WaiterRegistry, commits: CommitNotifier, waiting: WaitingReceives) {
    this.#batcher = batcher;
    this.#registry = registry;
    this.#waiting = waiting;
    commits.reset.subscribe(() => this.#nonEmpty.clear());
    commits.committed.subscribe(({ readyQueues, isGateChanged, store }) => {
      for (const { ns, name } of readyQueues) if (ns === store.ns) waiting.wake(name);
      if (isGateChanged) waiting.wakeAll();
    });
  }

  /** Peeks first if the queue was empty and this process is registered for it: an empty queue costs no write. */
  claim(queue: string, request: ClaimRequest, context: CallContext): Promise<ClaimResult> {
    if (this.#nonEmpty.has(queue) || !this.#registry.has('queue', queue)) return this.#claim(queue, request, context);
    const look = (tx: Transaction): Peek => peek(tx, queue, request);
    const found = this.#batcher.readNow(look);
    if (found === undefined) return this.#peekThenClaim(queue, look, request, context);
    return found.hasWork ? this.#claim(queue, request, context) : Promise.resolve(found.result);
  }

  /** Removes registrations that have not been used for 30 s. */
  removeUnused(): void {
    const now = performance.now();
    for (const queue of this.#registry.own('queue')) {
      const since = this.#unusedSince.get(queue);
      if (this.#waiting.queues.has(queue)) this.#unusedSince.delete(queue);
      else if (since === undefined) this.#unusedSince.set(queue, now);
      else if (now - since > KEEP_UNUSED_MS) {
        this.#unusedSince.delete(queue);
        this.#registry.removeUnused('queue', queue, () => this.#waiting.queues.has(queue));
      }
    }
  }

  async #peekThenClaim(
    queue: string,
    look: (tx: Transaction) => Peek,
    request: ClaimRequest,
    context: CallContext,
  ): Promise<ClaimResult> {
    const found = await this.#batcher.read(look, context);
    return found.hasWork ? this.#claim(queue, request, context) : found.result;
  }

  #claim(queue: string, request: ClaimRequest, context: CallContext): Promise<ClaimResult> {
    return this.#batcher.write((tx) => {
      const result = this.#claimIn(tx, queue, request);
      tx.afterCommit(() => {
        if (result.hasMore) this.#nonEmpty.add(queue);
        else this.#nonEmpty.delete(queue);
      });
      return result;
    }, context);
  }

  #claimIn(tx: Transaction, name: string, request: ClaimRequest): ClaimResult {
    tx.checkGate();
    const queue = tx.queue(name);
    const receivers = request.receivers();
    if (tx.gate.state !== 'open') return { deliveries: [], hasMore: false, recheckMs: DRAINING_RECHECK_MS };
    const deliveries: Delivery[][] = [];
    let hasMore = false;
    for (const { consumer, max, waits } of receivers) {
      const leased = queue === undefined || queue.settings.paused ? [] : leaseMessages(tx, queue, max, consumer);
      deliveries.push(leased);
      if (leased.length === max) continue;
      // A receive of a partly served group may go on waiting. The next claim serves it alone, and registers if needed.
      if (leased.length > 0) hasMore = !this.#registry.has('queue', name);
      else if (waits) this.#registry.add(tx, 'queue', name);
      break;
    }
    if (queue !== undefined && receivers.length > 0 && isIdleExpiring(queue)) queue.touch(tx.now);
    const isReady = queue !== undefined && !queue.settings.paused && queue.ready > 0;
    return { deliveries, hasMore: hasMore || isReady, recheckMs: recheckMs(queue) };
  }
}

/** Looks whether a claim would find a message, or something to update. */
function peek(tx: Transaction, name: string, request: ClaimRequest): Peek {
  tx.checkGate();
  const queue = tx.queue(name);
  request.receivers();
  return {
    hasWork: tx.gate.state === 'open' && queue !== undefined && hasWork(tx, queue),
    result: { deliveries: [], hasMore: false, recheckMs: recheckMs(queue) },
  };
}

function hasWork(tx: Transaction, queue: QueueRow): boolean {
  if ((queue.ready > 0 && !queue.settings.paused) || queue.backfills > 0) return true;
  if (queue.settings.expireIdleMs / 4 < tx.now - queue.usedAt) return true;
  if (queue.delayed > 0 && tx.exists('SELECT 1 FROM delayed WHERE queue_id=? AND due<=?', queue.id, tx.now))
    return true;
  return queue.leased > 0 && tx.exists('SELECT 1 FROM leased WHERE until<=?', tx.now);
}

function isIdleExpiring(queue: QueueRow): boolean {
  return queue.settings.expireIdleMs < Number.POSITIVE_INFINITY;
}

/** A lease of another process ends unnoticed, and an idle queue with waiting consumers must not expire. */
function recheckMs(queue: QueueRow | undefined): number | undefined {
  if (queue === undefined) return undefined;
  const { leaseMs, expireIdleMs } = queue.settings;
  return Math.min(leaseMs, expireIdleMs / 4);
}
