/** Consumers of this process that wait for messages, each on its queue, the longest waiting first. */

import type { CallContext, ReceiveRequest } from '@busbar/api/driver';
import type { Delivery } from '@busbar/api/transport';
import type { Replica } from './replica.ts';
import type { Alarm } from './state/agenda.ts';
import type { Timers } from './timers.ts';

interface Waiter {
  readonly queue: string;
  readonly wanted: ReceiveRequest;
  readonly context: CallContext;
  /** A claim is under way for it: what comes of it is its answer. */
  isClaiming: boolean;
  /** Nobody waits any more: it ends with the claim that is under way. */
  isOver: boolean;
  end(deliveries: Delivery[]): void;
  fail(error: unknown): void;
}

/** Those who wait on one queue. */
interface Line {
  readonly waiters: Set<Waiter>;
  /** Says now and then that somebody waits, where the queue goes when it is idle. */
  readonly sign: Alarm;
}

/** The waiting consumers of one transport. */
export class WaitingRoom {
  readonly #replica: Replica;
  readonly #timers: Timers;
  readonly #lines = new Map<string, Line>();
  /** Queues in which something became ready since the last look. */
  readonly #woken = new Set<string>();

  constructor(replica: Replica, timers: Timers) {
    this.#replica = replica;
    this.#timers = timers;
    replica.observe({
      ready: (queue) => this.#woken.add(queue),
      used: (queue, expireIdleMs) => this.#signLater(queue, expireIdleMs),
      moved: () => this.#wake(),
      reloaded: () => {
        for (const queue of this.#lines.keys()) this.#serve(queue);
      },
    });
  }

  /** Whether anybody waits. */
  get isEmpty(): boolean {
    return this.#lines.size === 0;
  }

  /** Claims for `wanted`, at once or when something comes, within its time. */
  receive(queue: string, wanted: ReceiveRequest, context: CallContext): Promise<Delivery[]> {
    const operation = { op: 'claim', queue, max: wanted.max, consumer: wanted.consumer } as const;
    if (wanted.waitMs === 0) return this.#replica.ask(operation, context);
    return new Promise((resolve, reject) => this.#enter(queue, wanted, context, resolve, reject));
  }

  #enter(
    queue: string,
    wanted: ReceiveRequest,
    context: CallContext,
    resolve: (deliveries: Delivery[]) => void,
    reject: (error: unknown) => void,
  ): void {
    const line = this.#lineOf(queue);
    const leave = (): void => {
      this.#timers.cancel(alarm);
      context.signal.removeEventListener('abort', giveUp);
      line.waiters.delete(waiter);
      if (line.waiters.size === 0) this.#close(queue, line);
    };
    const giveUp = (): void => {
      waiter.isOver = true;
      if (!waiter.isClaiming) waiter.end([]);
    };
    const waiter: Waiter = {
      ...{ queue, wanted, context, isClaiming: false, isOver: false },
      end: (deliveries) => {
        leave();
        resolve(deliveries);
      },
      fail: (error) => {
        leave();
        reject(error);
      },
    };
    const alarm = this.#timers.alarm(giveUp);
    line.waiters.add(waiter);
    this.#timers.set(alarm, wanted.waitMs);
    if (context.signal.aborted) giveUp();
    else context.signal.addEventListener('abort', giveUp, { once: true });
    this.#begin(queue);
  }

  /** A wait is use of the queue; and something may be there already. */
  #begin(name: string): void {
    const queue = this.#replica.state.queues.get(name);
    if (queue !== undefined && queue.settings.expireIdleMs !== Number.POSITIVE_INFINITY) this.#sign(name);
    this.#serve(name);
  }

  #wake(): void {
    if (this.#woken.size === 0) return;
    for (const queue of this.#woken) this.#serve(queue);
    this.#woken.clear();
  }

  /** Claims for as many as there may be something for. */
  #serve(name: string): void {
    const line = this.#lines.get(name);
    if (line === undefined) return;
    let left = this.#replica.state.queues.get(name)?.readyCount ?? 0;
    for (const waiter of line.waiters) {
      if (waiter.isClaiming) left -= waiter.wanted.max;
    }
    for (const waiter of line.waiters) {
      if (left <= 0) return;
      if (waiter.isClaiming) continue;
      left -= waiter.wanted.max;
      void this.#claimFor(waiter);
    }
  }

  async #claimFor(waiter: Waiter): Promise<void> {
    const { queue, wanted } = waiter;
    waiter.isClaiming = true;
    try {
      const deliveries = await this.#replica.ask({ op: 'claim', queue, max: wanted.max, consumer: wanted.consumer });
      waiter.isClaiming = false;
      if (deliveries.length > 0 || waiter.isOver) waiter.end(deliveries);
      else this.#serve(queue);
    } catch (error) {
      waiter.fail(error);
    }
  }

  #lineOf(queue: string): Line {
    let line = this.#lines.get(queue);
    if (line === undefined) {
      line = { waiters: new Set(), sign: this.#timers.alarm(() => this.#sign(queue)) };
      this.#lines.set(queue, line);
    }
    return line;
  }

  #close(queue: string, line: Line): void {
    this.#timers.cancel(line.sign);
    if (this.#lines.get(queue) === line) this.#lines.delete(queue);
  }

  #sign(queue: string): void {
    this.#replica.ask({ op: 'use', queues: [queue] }).catch(() => undefined); // Only closing ends it.
  }

  #signLater(queue: string, expireIdleMs: number): void {
    const line = this.#lines.get(queue);
    if (line !== undefined) this.#timers.set(line.sign, expireIdleMs / 3);
  }
}
