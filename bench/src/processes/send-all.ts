/** A closed loop: a load with a fixed number of calls in flight. */

import { type Body, makeBody } from '../client.ts';
import { percentile } from '../figures.ts';

/** Messages to send, and how many calls are in flight. */
export interface SendLoad {
  readonly count: number;
  /** The number of the first one. Default 0. */
  readonly first?: number;
  readonly inFlight: number;
  readonly bodyBytes: number;
}

/** The result of sending a load. */
export interface SendSummary {
  /** The slowest call, in milliseconds. */
  readonly slowestMs: number;
  readonly p99Ms: number;
}

/** Sends one message in each call; with `batch`, as many as other targets have in flight. */
export async function sendAll(
  send: (bodies: readonly Body[]) => Promise<void>,
  batch: boolean,
  { count, first: firstOfAll = 0, inFlight, bodyBytes }: SendLoad,
): Promise<SendSummary> {
  const size = batch ? inFlight : 1;
  const times: number[] = [];
  await runConcurrently(batch ? 1 : inFlight, Math.ceil(count / size), async (turn) => {
    const first = turn * size;
    const length = Math.min(size, count - first);
    const bodies = Array.from({ length }, (_, index) => makeBody(firstOfAll + first + index, bodyBytes));
    const began = performance.now();
    await send(bodies);
    times.push(performance.now() - began);
  });
  return { slowestMs: percentile(times, 1), p99Ms: percentile(times, 0.99) };
}

/** Runs `run` `count` times, `inFlight` at a time. */
export async function runConcurrently(
  inFlight: number,
  count: number,
  run: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const runner = async (): Promise<void> => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, runner));
}
