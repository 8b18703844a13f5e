/** Receives that wait for messages, over a driver that can only claim what is ready. */

import type { CallContext, ClaimRequest, ClaimResult, ReceiveRequest, ReceiverGroup } from '../contract/driver.ts';
import type { Delivery } from '../contract/message.ts';
import { Deadline, type DeadlineQueue } from '../driver-kit/deadline-queue.ts';
import { LazyAbortController } from '../driver-kit/lazy-abort.ts';
import type { WaitingReceives } from '../driver-kit/waiting-receives.ts';

/** Messages that one claim leases at most. */
const MAX_CLAIM = 1000;

/** What pending receives need of their transport. */
export interface Claiming {
  readonly waiting: WaitingReceives;
  claim(queue: string, request: ClaimRequest, context: CallContext): Promise<ClaimResult>;
  /** Gives back messages that no receive takes. */
  release(deliveries: readonly Delivery[]): void;
}

/** One receive, from its call to its answer. */
export class PendingReceive {
  readonly queue: string;
  readonly request: ReceiveRequest;
  readonly answer: PromiseWithResolvers<Delivery[]> = Promise.withResolvers();
  /** Its place among the receives of its queue, by arrival. */
  order = 0;
  isOver = false;
  readonly endsAt: number;
  /** Set while it waits. */
  readonly end: Deadline;

  constructor(queue: string, request: ReceiveRequest, onEnd: (receive: PendingReceive) => void) {
    this.queue = queue;
    this.request = request;
    this.end = new Deadline(() => onEnd(this));
    this.endsAt = request.waitMs === 0 ? 0 : performance.now() + request.waitMs;
  }
}

/** The receives of one queue. Those that wait arrived before those that have no answer yet. */
interface ReceiveQueue {
  readonly name: string;
  /** They got nothing and wait. */
  readonly waiting: Set<PendingReceive>;
  /** No claim has answered them yet. */
  readonly fresh: Set<PendingReceive>;
  readonly recheck: Deadline;
  newest: number;
  claim: Claim | undefined;
  /** The queue was woken since the claim in progress began. */
  isWoken: boolean;
}

/**
 * The receives of one transport. Each queue has one claim at a time, which serves its receives first come, first served; a
 * receive that gets nothing waits until the queue is woken. All deadlines of a transport share one timer.
 */
export class PendingReceives {
  readonly #claiming: Claiming;
  readonly #deadlines: DeadlineQueue;
  readonly #queues = new Map<string, ReceiveQueue>();

  constructor(claiming: Claiming, deadlines: DeadlineQueue) {
    this.#claiming = claiming;
    this.#deadlines = deadlines;
    claiming.waiting.onWake((name) => {
      if (name !== undefined) this.#wake(this.#queues.get(name));
      else for (const queue of [...this.#queues.values()]) this.#wake(queue);
    });
  }

  /** A receive that is still to be started. */
  prepare(queue: string, request: ReceiveRequest): PendingReceive {
    return new PendingReceive(queue, request, (receive) => this.end(receive));
  }

  /** Resolves with messages, or with none when the time of `receive` is over or it is ended. */
  start(receive: PendingReceive): Promise<Delivery[]> {
    const queue = this.#queueOf(receive.queue);
    queue.newest += 1;
    receive.order = queue.newest;
    queue.fresh.add(receive);
    if (queue.claim === undefined) this.#claim(queue);
    return receive.answer.promise;
  }

  /** Ends `receive`, which then has no messages. */
  end(receive: PendingReceive): void {
    const queue = this.#queues.get(receive.queue);
    if (queue === undefined) return;
    this.#finish(queue, receive, []);
    if (queue.waiting.size + queue.fresh.size > 0) return;
    if (queue.claim === undefined) this.#forget(queue);
    else queue.claim.abort();
  }

  #queueOf(name: string): ReceiveQueue {
    const known = this.#queues.get(name);
    if (known !== undefined) return known;
    const queue: ReceiveQueue = {
      name,
      waiting: new Set(),
      fresh: new Set(),
      recheck: new Deadline(() => this.#wake(queue)),
      newest: 0,
      claim: undefined,
      isWoken: false,
    };
    this.#queues.set(name, queue);
    return queue;
  }

  #wake(queue: ReceiveQueue | undefined): void {
    if (queue === undefined) return;
    if (queue.claim === undefined) this.#claim(queue);
    else queue.isWoken = true;
  }

  #claim(queue: ReceiveQueue): void {
    const claim = new Claim(queue);
    queue.claim = claim;
    queue.isWoken = false;
    this.#deadlines.cancel(queue.recheck);
    this.#claiming.claim(queue.name, claim, claim).then(
      (result) => this.#claimed(queue, claim, result),
      (error: unknown) => this.#failed(queue, claim, error),
    );
  }

  #claimed(queue: ReceiveQueue, claim: Claim, { deliveries, hasMore, recheckMs }: ClaimResult): void {
    for (const group of deliveries) countFrom(claim.sentAt, group);
    const surplus = claim.groups.flatMap(({ receives }, index) =>
      this.#serve(queue, receives, deliveries[index] ?? []),
    );
    if (!hasMore) {
      for (const receive of queue.fresh) if (receive.order <= claim.newest) this.#wait(queue, receive);
    }
    this.#next(queue, hasMore, recheckMs);
    if (surplus.length > 0) this.#claiming.release(surplus);
  }

  /** Gives each receive its share. Returns what is left because receives have ended. */
  #serve(
    queue: ReceiveQueue,
    receives: readonly PendingReceive[],
    deliveries: readonly Delivery[],
  ): readonly Delivery[] {
    let from = 0;
    for (const receive of receives) {
      if (from >= deliveries.length) break;
      if (receive.isOver) continue;
      this.#finish(queue, receive, deliveries.slice(from, from + receive.request.max));
      from += receive.request.max;
    }
    return deliveries.slice(from);
  }

  #failed(queue: ReceiveQueue, claim: Claim, error: unknown): void {
    for (const receive of [...queue.waiting, ...queue.fresh]) {
      if (receive.order > claim.newest) continue;
      this.#finish(queue, receive, undefined);
      receive.answer.reject(error);
    }
    this.#next(queue, false, undefined);
  }

  /** A woken queue is claimed even when all receives have ended: the driver may have to pass the wake-up on. */
  #next(queue: ReceiveQueue, hasMore: boolean, recheckMs: number | undefined): void {
    queue.claim = undefined;
    if (queue.isWoken || queue.fresh.size > 0 || (hasMore && queue.waiting.size > 0)) this.#claim(queue);
    else if (queue.waiting.size === 0) this.#forget(queue);
    else if (recheckMs !== undefined) this.#deadlines.setIn(queue.recheck, recheckMs);
  }

  #wait(queue: ReceiveQueue, receive: PendingReceive): void {
    if (receive.request.waitMs === 0) {
      this.#finish(queue, receive, []);
      return;
    }
    queue.fresh.delete(receive);
    queue.waiting.add(receive);
    if (queue.waiting.size === 1) this.#claiming.waiting.add(queue.name);
    this.#deadlines.set(receive.end, receive.endsAt);
  }

  #finish(queue: ReceiveQueue, receive: PendingReceive, deliveries: Delivery[] | undefined): void {
    if (receive.isOver) return;
    receive.isOver = true;
    queue.fresh.delete(receive);
    if (queue.waiting.delete(receive) && queue.waiting.size === 0) this.#claiming.waiting.delete(queue.name);
    this.#deadlines.cancel(receive.end);
    if (deliveries !== undefined) receive.answer.resolve(deliveries);
  }

  #forget(queue: ReceiveQueue): void {
    this.#deadlines.cancel(queue.recheck);
    this.#queues.delete(queue.name);
  }
}

interface Group extends ReceiverGroup {
  readonly receives: PendingReceive[];
  max: number;
  waits: boolean;
}

/** One claim in progress: its request, and the bounds that its driver sees. */
class Claim extends LazyAbortController implements ClaimRequest, CallContext {
  readonly deadline: number = Number.POSITIVE_INFINITY;
  readonly #queue: ReceiveQueue;
  #groups: Group[] = [];
  /** The last receive that the claim covers. */
  newest: number;
  readonly sentAt: number = performance.now();

  constructor(queue: ReceiveQueue) {
    super();
    this.#queue = queue;
    this.newest = queue.newest;
  }

  get groups(): readonly Group[] {
    return this.#groups;
  }

  receivers(): readonly ReceiverGroup[] {
    const { waiting, fresh, newest } = this.#queue;
    this.newest = newest;
    this.#groups = [];
    let left = MAX_CLAIM;
    for (const receives of [waiting, fresh]) {
      for (const receive of receives) {
        if (left <= 0) return this.#groups;
        left -= this.#add(receive, left);
      }
    }
    return this.#groups;
  }

  #add(receive: PendingReceive, left: number): number {
    const { consumer, waitMs } = receive.request;
    const max = Math.min(receive.request.max, left);
    const last = this.#groups.at(-1);
    if (last === undefined || last.consumer !== consumer) {
      this.#groups.push({ consumer, max, waits: waitMs > 0, receives: [receive] });
    } else {
      last.receives.push(receive);
      last.max += max;
      last.waits ||= waitMs > 0;
    }
    return max;
  }
}

/** Sets the end of leases, which began at `from` at the earliest. Drivers make deliveries for one receive each. */
export function countFrom(from: number, deliveries: readonly Delivery[]): void {
  for (const delivery of deliveries as readonly { -readonly [Key in keyof Delivery]: Delivery[Key] }[]) {
    delivery.leaseEndsAt ??= from + delivery.leaseLeftMs;
  }
}
