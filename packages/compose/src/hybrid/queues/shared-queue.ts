/** One queue with messages on both sides, as one consumer sees it. */

import { type CallContext, isAborted, LazyAbortController, type ReceiveRequest, whenAborted } from '@busbar/api/driver';
import type { Delivery } from '@busbar/api/transport';
import { own } from '../../inner/calls.ts';
import { pause } from '../../pause.ts';
import { type HybridSide, tagAll } from '../side.ts';
import type { Sides } from '../sides.ts';

/** How long the lookout for an outage stays after a receive: the next one often follows at once. */
const LINGER_MS = 50;
/** How long a release may take at closing. */
const RELEASE_MS = 2_000;

/** The queue, and where it lives. */
export interface SharedPlace {
  readonly queue: string;
  readonly consumer: string | undefined;
  /** Where the queue lives: receives wait there. */
  readonly main: HybridSide;
  /** Where some of its messages can be. */
  readonly aside: HybridSide;
}

/** Messages that one side has leased. */
interface Share {
  readonly side: HybridSide;
  readonly deliveries: Delivery[];
}

/** Ends what a receive asks of the sides. */
class Wake extends LazyAbortController implements CallContext {
  readonly deadline: number = Number.POSITIVE_INFINITY;
}

/** A receive that has not ended. */
interface Receiver {
  readonly max: number;
  /** Fires when it gets messages of the other side, or is to look at both. */
  wake: Wake;
  /** What the lookout has leased for it. */
  offered: Share[];
}

/**
 * A receive takes the highest priorities of both sides; of one priority those of the durable side come first. It asks both, and
 * waits on both if they have none. One wait on the other side serves all receives: the lookout. A queue that lives on the fast
 * side has others on the durable one after an outage only, or from a binding. So its receives rely on a lookout that is there.
 */
export class SharedQueue {
  readonly #sides: Sides;
  readonly #place: SharedPlace;
  readonly #onEnd: () => void;
  readonly #receivers = new Set<Receiver>();
  readonly #releasing = new Set<Promise<unknown>>();
  readonly #stopListening: () => void;
  #lookout: Wake | undefined;
  #lingering: NodeJS.Timeout | undefined;

  constructor(sides: Sides, place: SharedPlace, onEnd: () => void) {
    this.#sides = sides;
    this.#place = place;
    this.#onEnd = onEnd;
    this.#stopListening = sides.onFast(() => this.#lookAgain());
  }

  async receive({ max, waitMs }: ReceiveRequest, outer: CallContext): Promise<Delivery[]> {
    const receiver: Receiver = { max, wake: new Wake(), offered: [] };
    const endsAt = performance.now() + waitMs;
    const stop = whenAborted(outer, () => receiver.wake.abort());
    if (isAborted(outer)) receiver.wake.abort();
    clearTimeout(this.#lingering);
    this.#receivers.add(receiver);
    try {
      let mayWait = this.#isMainFast && this.#lookout !== undefined;
      for (;;) {
        const leftMs = mayWait ? Math.max(0, endsAt - performance.now()) : 0;
        const deliveries = await this.#attempt(receiver, leftMs, !mayWait);
        if (deliveries.length > 0 || isAborted(outer)) return deliveries;
        const wasWoken = receiver.wake.isAborted;
        const isOver = !wasWoken && performance.now() >= endsAt;
        if (isOver && !mayWait) return [];
        if (wasWoken) receiver.wake = new Wake();
        mayWait = !wasWoken && !isOver;
      }
    } finally {
      stop();
      this.#leave(receiver);
    }
  }

  get #isMainFast(): boolean {
    return this.#place.main.side === 'fast';
  }

  async close(): Promise<void> {
    this.#stop();
    await Promise.all(this.#releasing);
  }

  /** Asks the main side, which may wait, and the other side, which has a lookout if it is not asked. */
  async #attempt(receiver: Receiver, waitMs: number, asksAside: boolean): Promise<Delivery[]> {
    const { main, aside } = this.#place;
    if (!asksAside) this.#watch(receiver.max);
    if (!asksAside && this.#isMainFast) {
      const share = await this.#ask(main, receiver, waitMs);
      return this.#merge([share, ...receiver.offered.splice(0)], receiver.max);
    }
    const asked = [this.#ask(main, receiver, waitMs)];
    if (asksAside) asked.push(this.#ask(aside, receiver, 0));
    const ended = await Promise.allSettled(asked);
    const shares = ended.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const failed = ended.find((each) => each.status === 'rejected');
    if (!asksAside && shares.some(({ deliveries }) => deliveries.length > 0)) {
      // More urgent messages may have come to the other side at the moment that ended the wait. A failure shows at the next receive.
      const [more] = await Promise.allSettled([this.#ask(aside, receiver, 0)]);
      if (more?.status === 'fulfilled') shares.push(more.value);
    }
    const deliveries = this.#merge([...shares, ...receiver.offered.splice(0)], failed === undefined ? receiver.max : 0);
    if (failed !== undefined) throw failed.reason;
    const isDrained = shares.some(({ side, deliveries: found }) => side === aside && found.length < receiver.max);
    if (isDrained && this.#isMainFast) this.#watch(receiver.max);
    return deliveries;
  }

  /** Leases messages of one side. A side that is away has none. */
  async #ask(side: HybridSide, { max, wake }: Receiver, waitMs: number): Promise<Share> {
    if (!this.#sides.isUp(side)) {
      if (waitMs > 0) await pause(waitMs, wake.signal);
      return { side, deliveries: [] };
    }
    const { queue, consumer } = this.#place;
    try {
      const request = { max, waitMs, consumer };
      return { side, deliveries: await own(side.queues.receive(queue, request, wake)) };
    } catch (error) {
      if (!wake.isAborted) throw error;
      return { side, deliveries: [] };
    }
  }

  /** The first `max` of all that was leased. The rest goes back. */
  #merge(shares: readonly Share[], max: number): Delivery[] {
    const found = shares.filter(({ deliveries }) => deliveries.length > 0);
    const [only] = found;
    if (only !== undefined && found.length === 1 && only.deliveries.length <= max) {
      return tagAll(only.side.side, only.deliveries);
    }
    const leased = found.flatMap(({ side, deliveries }) => deliveries.map((delivery) => ({ side, delivery })));
    leased.sort((one, other) => other.delivery.priority - one.delivery.priority || rank(one.side) - rank(other.side));
    this.#release(leased.splice(max));
    return leased.flatMap(({ side, delivery }) => tagAll(side.side, [delivery]));
  }

  #release(surplus: readonly { readonly side: HybridSide; readonly delivery: Delivery }[]): void {
    for (const side of [this.#place.main, this.#place.aside]) {
      const back = surplus.filter((each) => each.side === side);
      if (back.length === 0) continue;
      const settlements = back.map(({ delivery }) => ({ receipt: delivery.receipt, action: 'release' as const }));
      const { signal } = new AbortController();
      const releasing = side.queues.settle(settlements, { signal, deadline: performance.now() + RELEASE_MS });
      // A lease that cannot be released ends by itself.
      const released = releasing.catch(() => undefined).finally(() => this.#releasing.delete(released));
      this.#releasing.add(released);
    }
  }

  /** Waits on the other side, which has no messages now. */
  #watch(max: number): void {
    const { aside } = this.#place;
    if (this.#lookout !== undefined || this.#receivers.size === 0 || !this.#sides.isUp(aside)) return;
    const lookout = new Wake();
    this.#lookout = lookout;
    this.#ask(aside, { max, wake: lookout, offered: [] }, Number.POSITIVE_INFINITY).then(
      (share) => this.#found(lookout, share),
      // The next receive asks both sides, and gets the error itself.
      () => this.#found(lookout, { side: aside, deliveries: [] }),
    );
  }

  /** Passes what the lookout has leased to the receive that waits longest. */
  #found(lookout: Wake, share: Share): void {
    if (this.#lookout === lookout) this.#lookout = undefined;
    const [receiver] = this.#receivers;
    if (receiver === undefined || lookout.isAborted) {
      this.#merge([share], 0);
      return;
    }
    receiver.offered.push(share);
    receiver.wake.abort();
  }

  /** The fast side went away or is back. */
  #lookAgain(): void {
    this.#lookout?.abort();
    this.#lookout = undefined;
    for (const { wake } of this.#receivers) wake.abort();
  }

  #leave(receiver: Receiver): void {
    this.#receivers.delete(receiver);
    this.#merge(receiver.offered, 0);
    if (this.#receivers.size > 0) return;
    if (this.#isMainFast) this.#lingering = setTimeout(() => this.#stop(), LINGER_MS).unref();
    else this.#stop();
  }

  #stop(): void {
    clearTimeout(this.#lingering);
    this.#stopListening();
    this.#lookout?.abort();
    this.#lookout = undefined;
    this.#onEnd();
  }
}

/** Of one priority, what came to the durable side during an outage goes first. */
function rank({ side }: HybridSide): number {
  return side === 'durable' ? 0 : 1;
}
