/** Consumers that wait: all of a process share one channel and one timer. */

import type { CallContext, ReceiveRequest } from '@busbar/api/driver';
import { BusbarError, type Delivery, newId } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { type Claimed, claim, undoClaim } from './claim.ts';
import { Alarms } from './deadline-queue.ts';
import { type Waiter, WaitingLine } from './queue-receivers.ts';
import type { Settler } from './settle.ts';

/** What one claim takes at most. */
const MAX_CLAIM = 1000;
/** The server forgets after ten minutes that a process waits. */
const REGISTER_AGAIN_MS = 300_000;

export class WaitingRoom {
  readonly #link: ReconnectingClient;
  readonly #settler: Settler;
  /** Brings in the history that bindings of a queue are still to bring. */
  readonly #copy: (queue: string) => Promise<void>;
  /** What this process is called where it waits. */
  readonly #process = newId().replaceAll('-', '');
  readonly #lines = new Map<string, WaitingLine>();
  readonly #looks = new Alarms<string>((queue) => this.#look(queue));
  readonly #deadlines = new Alarms<Waiter>((waiter) => this.#leave(waiter, []));
  #bell: Promise<void> | undefined;
  #isHung = false;
  #claims = 0;

  constructor(link: ReconnectingClient, settler: Settler, copy: (queue: string) => Promise<void>) {
    this.#link = link;
    this.#settler = settler;
    this.#copy = copy;
    link.onReconnect(() => {
      for (const queue of this.#lines.keys()) this.#look(queue);
    });
  }

  /** Whether anybody waits. */
  #ls: (() => void)[] = [];
  get size(): number {
    return this.#lines.size;
  }
  onChange(l: () => void): void {
    this.#ls.push(l);
  }

  receive(queue: string, wanted: ReceiveRequest, context: CallContext): Promise<Delivery[]> {
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + wanted.waitMs;
      const waiter: Waiter = { queue, wanted, context, deadline, resolve, reject, isWaiting: false, isOver: false };
      this.#lineOf(queue).waiters.add(waiter);
      for (const l of this.#ls) l();
      this.#link.atEndOfTurn(() => this.#look(queue));
    });
  }

  /** Ends all waiting. */
  close(): void {
    for (const line of this.#lines.values()) for (const waiter of line.waiters) this.#leave(waiter, []);
    this.#looks.clear();
    this.#deadlines.clear();
  }

  #lineOf(queue: string): WaitingLine {
    const known = this.#lines.get(queue);
    if (known !== undefined) return known;
    const line = new WaitingLine(queue);
    this.#lines.set(queue, line);
    return line;
  }

  /** There may be something in `queue`. */
  #look(queue: string): void {
    const line = this.#lines.get(queue);
    if (line === undefined) return;
    if (line.isClaiming) line.hasNews = true;
    else void this.#claim(line);
  }

  /** The bell was rung for a queue; whoever does not wait for it any more passes that on. */
  #rung(queue: string): void {
    if (this.#lines.has(queue)) this.#look(queue);
    else void claim(this.#link, { queue, wanted: 0, consumer: undefined, process: '', id: '-' }).catch(() => undefined);
  }

  async #claim(line: WaitingLine): Promise<void> {
    line.isClaiming = true;
    line.hasNews = false;
    const waits = [...line.waiters].some(({ wanted }) => wanted.waitMs > 0);
    if (waits && !this.#isHung) await this.#hang();
    const { waiters, wanted } = line.group(MAX_CLAIM);
    const id = `${this.#process}.${++this.#claims}`;
    const process = waits ? this.#process : '';
    try {
      const claimed = await claim(this.#link, {
        queue: line.queue,
        wanted,
        consumer: waiters[0]?.wanted.consumer,
        process,
        id,
      });
      if (claimed.isCopying && claimed.deliveries.length === 0) {
        await this.#copy(line.queue);
        line.hasNews = true;
      }
      line.isClaiming = false;
      this.#claimed(line, waiters, claimed);
    } catch (error) {
      line.isClaiming = false;
      this.#failed(line, waiters, id, error);
    }
  }

  /** From now on this process hears when it is woken. */
  async #hang(): Promise<void> {
    this.#bell ??= this.#link.channels.subscribe(`wakeup:${this.#process}`, (queue) => this.#rung(queue.toString()));
    await this.#bell;
    this.#isHung = true;
  }

  #claimed(line: WaitingLine, asked: readonly Waiter[], claimed: Claimed): void {
    const { deliveries, isCopying, hasMore } = claimed;
    for (const waiter of asked) {
      if (waiter.isOver || (isCopying && deliveries.length === 0)) continue;
      const own = deliveries.splice(0, waiter.wanted.max);
      if (own.length > 0 || waiter.wanted.waitMs === 0) this.#leave(waiter, own);
      else this.#wait(waiter);
    }
    this.#pass(line, deliveries);
    if (this.#isForgotten(line)) return;
    const isUnasked = [...line.waiters].some((waiter) => !waiter.isWaiting);
    if (hasMore || line.hasNews || isUnasked) this.#look(line.queue);
    else this.#planLook(line.queue, claimed);
  }

  #planLook(queue: string, { lookMs, expireIdleMs }: Claimed): void {
    const use = expireIdleMs === undefined ? REGISTER_AGAIN_MS : Math.min(REGISTER_AGAIN_MS, expireIdleMs / 4);
    const ms = Math.min(use, lookMs ?? Number.POSITIVE_INFINITY);
    this.#looks.set(queue, performance.now() + ms);
  }

  /** Those who asked have gone: others get it, or it goes back. */
  #pass(line: WaitingLine, deliveries: Delivery[]): void {
    for (const waiter of line.waiters) {
      if (deliveries.length === 0) return;
      this.#leave(waiter, deliveries.splice(0, waiter.wanted.max));
    }
    if (deliveries.length === 0) return;
    const back = deliveries.map(({ receipt }) => ({ receipt, action: 'release' as const }));
    this.#settler.settle(back, { deadline: Number.POSITIVE_INFINITY }).catch(() => undefined);
  }

  /** A lost server is waited for; what the lost claim took is given back before anything else. */
  #failed(line: WaitingLine, asked: readonly Waiter[], id: string, error: unknown): void {
    const isLost = error instanceof BusbarError && error.outcome === 'unknown';
    if (!isLost) {
      for (const waiter of asked) this.#fail(waiter, error);
      if (!this.#isForgotten(line)) this.#look(line.queue);
      return;
    }
    for (const waiter of asked) if (!waiter.isOver) this.#wait(waiter);
    undoClaim(this.#link, line.queue, id).then(
      () => this.#look(line.queue),
      (failure: unknown) => {
        for (const waiter of line.waiters) this.#fail(waiter, failure);
      },
    );
  }

  /** Begins to wait in earnest, having found nothing. */
  #wait(waiter: Waiter): void {
    if (waiter.isWaiting) return;
    waiter.isWaiting = true;
    this.#deadlines.set(waiter, waiter.deadline);
    waiter.context.signal.addEventListener('abort', () => this.#leave(waiter, []), { once: true });
    if (waiter.context.signal.aborted) this.#leave(waiter, []);
  }

  /** Forgets a queue that nobody waits for any more. */
  #isForgotten(line: WaitingLine): boolean {
    if (line.waiters.size > 0 || line.isClaiming) return false;
    this.#lines.delete(line.queue);
    this.#looks.delete(line.queue);
    return true;
  }

  #fail(waiter: Waiter, error: unknown): void {
    this.#leave(waiter, undefined);
    waiter.reject(error);
  }

  #leave(waiter: Waiter, deliveries: Delivery[] | undefined): void {
    if (waiter.isOver) return;
    waiter.isOver = true;
    if (waiter.isWaiting) this.#deadlines.delete(waiter);
    const line = this.#lines.get(waiter.queue);
    line?.waiters.delete(waiter);
    if (line !== undefined) this.#isForgotten(line);
    if (deliveries !== undefined) waiter.resolve(deliveries);
  }
}
