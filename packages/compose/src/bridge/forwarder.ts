/** Forwards one queue: receives a batch, sends it to the other store, and acks what has arrived. */

import { BatchSize } from '@busbar/api/driver';
import {
  type CallOptions,
  type Delivery,
  type ErrorCode,
  isBusbarError,
  type SendResult,
  type Settlement,
} from '@busbar/api/transport';
import { pause } from '../pause.ts';
import type { StoreEnds } from '../store-end.ts';
import { Patience } from './patience.ts';
import type { ProgressCounter } from './progress.ts';

/** How the messages of one queue get to the other store. */
export interface Route {
  /** The queue that is read. */
  readonly queue: string;
  readonly counter: 'messages' | 'events';
  /** Creates what the route needs in the source. It is called again after a pause. */
  prepare(bounds: CallOptions): Promise<void>;
  /** Why a message must not be sent: it has been there, or the other store cannot hold it. */
  refuse(
    delivery: Delivery,
  ): { readonly kind: 'returned' } | { readonly kind: 'dead'; readonly reason: string } | undefined;
  send(deliveries: readonly Delivery[], bounds: CallOptions): Promise<readonly SendResult[]>;
}

/** What a {@link Forwarder} works with. */
export interface ForwarderOptions {
  readonly ends: StoreEnds;
  readonly toId: string;
  readonly progress: ProgressCounter;
}

/** The end of one delivery. */
type Fate =
  | { readonly kind: 'arrived' | 'duplicate' | 'returned' }
  | { readonly kind: 'dead'; readonly reason: string }
  /** It goes back, and the error says why. */
  | { readonly kind: 'waiting'; readonly error: unknown };

const MAX_BATCH = 256;
const MAX_BYTES = 4 * 1024 * 1024;
/** A receive ends after this time, so that what the route needs is created again if it was deleted. */
const WAIT_MS = 20_000;
/** What is under way when the bridge ends has this long to arrive. */
const DRAIN_MS = 5_000;
/** The longest wait for leases of a bridge that was killed. */
const MAX_LEASE_MS = 60_000;
const MAX_CALL_MS = 15_000;
const MAX_PAGE = 1_000;
const LOOK_MS = 20;
/** Errors that the message causes. Sending it again fails again. */
const HOPELESS: readonly ErrorCode[] = ['INVALID_ARGUMENT', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED'];

interface Round {
  readonly stop: AbortSignal;
  /** Fires when what is under way has had its time. */
  readonly drained: AbortSignal;
  readonly patience: Patience;
}

/** Forwards one queue. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #route: Route;
  readonly #size: BatchSize;
  readonly #consumer: string;

  constructor(options: ForwarderOptions, route: Route) {
    this.#options = options;
    this.#route = route;
    this.#consumer = `bridge to ${options.toId}`;
    const { maxBodyBytes } = options.ends.from.transport.capabilities;
    this.#size = new BatchSize({ max: MAX_BATCH, maxBytes: MAX_BYTES, maxItemBytes: maxBodyBytes });
  }

  /** Forwards until `stop` fires, then lets the batch under way arrive. Rejects if it cannot go on. */
  async run(stop: AbortSignal): Promise<void> {
    const { ends, progress } = this.#options;
    const patience = new Patience({ ends, progress, stop, what: this.#route.queue });
    const drain = new AbortController();
    let late: NodeJS.Timeout | undefined;
    const onStop = (): void => {
      late = setTimeout(() => drain.abort(), DRAIN_MS);
    };
    stop.addEventListener('abort', onStop, { once: true });
    try {
      while (!stop.aborted) {
        try {
          await this.#forwardSome({ stop, drained: drain.signal, patience });
        } catch (error) {
          await patience.after(error);
        }
      }
    } finally {
      clearTimeout(late);
    }
  }

  /** Forwards batches until the queue is empty for some time. */
  async #forwardSome({ stop, drained, patience }: Round): Promise<void> {
    const { queues } = this.#options.ends.from.transport;
    await this.#route.prepare({ signal: stop });
    await this.#untilReleased(stop);
    for (;;) {
      const { count: max } = this.#size;
      const options = { max, waitMs: WAIT_MS, consumer: this.#consumer, signal: stop };
      const deliveries = await queues.receive(this.#route.queue, options);
      if (deliveries.length === 0) return patience.succeeded();
      this.#size.record(
        deliveries.length,
        deliveries.reduce((bytes, { body }) => bytes + body.byteLength, 0),
      );
      await this.#forward(deliveries, drained);
      patience.succeeded();
      if (stop.aborted) return;
    }
  }

  /** Waits for messages that a bridge held when it was killed or lost the store: they come before all others. */
  async #untilReleased(stop: AbortSignal): Promise<void> {
    const { ends, progress } = this.#options;
    const until = performance.now() + MAX_LEASE_MS;
    while (!stop.aborted && performance.now() < until) {
      const { messages } = await ends.from.transport.admin.browse(this.#route.queue, {
        ...{ state: 'leased', limit: MAX_PAGE, signal: stop },
      });
      const held = messages.filter(({ consumer }) => consumer === this.#consumer);
      if (held.length === 0) return;
      progress.waits(this.#route.queue, new Error(`a bridge that was killed holds ${held.length} messages`));
      await pause(Math.max(LOOK_MS, Math.min(...held.map(({ leaseLeftMs = 0 }) => leaseLeftMs))), stop);
    }
    progress.goesOn(this.#route.queue);
  }

  async #forward(deliveries: readonly Delivery[], signal: AbortSignal): Promise<void> {
    // A call that takes longer could go on behind the end of the leases.
    const leaseMs = Math.min(...deliveries.map(({ leaseLeftMs }) => leaseLeftMs));
    const bounds = { timeoutMs: Math.max(1, Math.min(MAX_CALL_MS, leaseMs / 2)), signal };
    const refused = deliveries.map((delivery) => this.#route.refuse(delivery));
    const open = deliveries.filter((_, index) => refused[index] === undefined);
    const sent = open.length === 0 ? [] : await this.#send(open, bounds);
    const fates: Fate[] = refused.map((refusal) => refusal ?? sent.shift() ?? { kind: 'arrived' });
    const settlements = deliveries.map(({ receipt }, index) => settlementOf(receipt, fates[index]));
    await this.#options.ends.from.transport.queues.settle(settlements, bounds);
    this.#count(fates);
    for (const fate of fates) if (fate.kind === 'waiting') throw fate.error;
  }

  async #send(deliveries: readonly Delivery[], bounds: CallOptions): Promise<Fate[]> {
    try {
      const results = await this.#route.send(deliveries, bounds);
      return results.map(fateOf);
    } catch (error) {
      const isHopeless = isBusbarError(error) && HOPELESS.includes(error.code);
      if (!isHopeless) return deliveries.map(() => ({ kind: 'waiting', error }));
      if (deliveries.length === 1) return [{ kind: 'dead', reason: reasonOf(error) }];
      return this.#sendEach(deliveries, bounds);
    }
  }

  /** One bad message fails the whole call. The others keep their order. */
  async #sendEach(deliveries: readonly Delivery[], bounds: CallOptions): Promise<Fate[]> {
    const fates: Fate[] = [];
    for (const delivery of deliveries) {
      const last = fates.at(-1);
      if (last?.kind === 'waiting') fates.push(last);
      else fates.push(...(await this.#send([delivery], bounds)));
    }
    return fates;
  }

  #count(fates: readonly Fate[]): void {
    const { progress } = this.#options;
    const of = (kind: Fate['kind']): number => fates.filter((fate) => fate.kind === kind).length;
    progress.add('duplicates', of('duplicate'));
    progress.add('returned', of('returned'));
    progress.add('dead', of('dead'));
    progress.add(this.#route.counter, of('arrived') + of('duplicate'));
  }
}

function fateOf({ status, error }: SendResult): Fate {
  if (status === 'stored') return { kind: 'arrived' };
  if (status === 'duplicate') return { kind: 'duplicate' };
  if (error !== undefined && HOPELESS.includes(error.code)) return { kind: 'dead', reason: reasonOf(error) };
  return { kind: 'waiting', error };
}

function reasonOf({ code, message }: { readonly code: string; readonly message: string }): string {
  return `the bridge cannot forward it: ${code}: ${message}`;
}

function settlementOf(receipt: string, fate: Fate | undefined): Settlement {
  if (fate === undefined || fate.kind === 'waiting') return { receipt, action: 'release' };
  if (fate.kind === 'dead') return { receipt, action: 'reject', reason: fate.reason };
  return { receipt, action: 'ack' };
}
