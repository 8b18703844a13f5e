/**
 * An open loop: messages leave at fixed times, whether or not the earlier ones are acknowledged. Latency counts from the
 * time at which a message had to leave, so a slow store cannot hide behind a sender that waits for it.
 */

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { type Body, type Client, makeBody, sharedClockMs } from '../client.ts';
import { type HistogramJson, LatencyHistogram } from '../latency-histogram.ts';
import { Arrivals } from './arrivals.ts';

/** Messages to send at a fixed rate. */
export interface Offer {
  readonly perSecond: number;
  readonly count: number;
  readonly bodyBytes: number;
}

/** The result of an offer. */
export interface OfferSummary {
  /** Fewer than the count if the sender did not keep up by far. */
  readonly sent: number;
  /** How late the sender itself was: from the time at which a message had to leave to its call. */
  readonly lateness: HistogramJson;
}

/** The times of an offer at its receiver. */
export interface OfferTimes {
  readonly histogram: HistogramJson;
  /** How much the mean latency grew from the second quarter to the last one. */
  readonly growthMs: number;
}

/** More calls without an answer would measure the memory of the sender. */
const MOST_PENDING = 10_000;
const START_MS = 20;
/** The most sends before the answers of earlier ones are read. */
const BURST = 256;
/** A sender that needs longer than twice the planned time gives up. */
const PATIENCE = 2;
/** The first messages warm up. */
const DROPPED = 0.2;

/** Sends at fixed times. Rejects with the first error of a send. */
export async function offer(send: NonNullable<Client['send']>, load: Offer): Promise<OfferSummary> {
  const { perSecond, count, bodyBytes } = load;
  const lateness = new LatencyHistogram();
  const pending = new Set<Promise<void>>();
  const errors: unknown[] = [];
  const began = sharedClockMs() + START_MS;
  const end = began + (PATIENCE * count * 1000) / perSecond;
  const dueAt = (index: number): number => began + (index * 1000) / perSecond;
  const sendOne = (index: number, now: number): void => {
    lateness.recordMs(now - dueAt(index));
    const body: Body = { ...makeBody(index, bodyBytes), calledAt: dueAt(index) };
    const sending = send([body]).catch((error: unknown) => void errors.push(error));
    pending.add(sending);
    void sending.then(() => pending.delete(sending));
  };
  let sent = 0;
  while (sent < count && errors.length === 0 && sharedClockMs() < end) {
    const burst = Math.min(count, sent + BURST);
    for (let now = sharedClockMs(); sent < burst && dueAt(sent) <= now && pending.size < MOST_PENDING; sent += 1) {
      sendOne(sent, now);
      now = sharedClockMs();
    }
    await (sent === burst ? nextTurn() : sleep(1));
  }
  await Promise.all(pending);
  if (errors.length > 0) throw errors[0];
  return { sent, lateness: lateness.toJSON() };
}

/** Receives one offer. */
export class OfferReceiver {
  readonly arrivals: Arrivals;
  readonly #count: number;
  readonly #histogram = new LatencyHistogram();
  /** Sum and number of the latencies of each quarter. */
  readonly #quarters = Array.from({ length: 4 }, () => ({ sumMs: 0, count: 0 }));

  constructor(count: number) {
    this.#count = count;
    this.arrivals = new Arrivals({ count });
  }

  take(body: Body): void {
    const { index, calledAt = 0 } = body;
    const ms = sharedClockMs() - calledAt;
    if (index >= this.#count * DROPPED) this.#histogram.recordMs(ms);
    const quarter = this.#quarters[Math.floor((4 * index) / this.#count)];
    if (quarter !== undefined) {
      quarter.sumMs += ms;
      quarter.count += 1;
    }
    this.arrivals.take(body);
  }

  /** Waits for the messages that were sent. */
  async end(sent: number): Promise<OfferTimes> {
    this.arrivals.withdraw(this.#count - sent);
    await this.arrivals.settled();
    const [, second, , last] = this.#quarters.map(({ sumMs, count }) => (count === 0 ? 0 : sumMs / count));
    return { histogram: this.#histogram.toJSON(), growthMs: (last ?? 0) - (second ?? 0) };
  }
}
