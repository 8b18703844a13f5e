/** Loads that run in a client's process and report progress to its parent. */

import type { Transport } from '@busbar/api/transport';
import { Recorder } from '../context/recorder.ts';
import { type ConsumeOptions, type LoadProgress, type ProduceOptions, packError, type TimedCall } from './protocol.ts';

/** Receives the progress of a load. */
export type ReportProgress = (progress: Omit<LoadProgress, 'kind' | 'load'>) => void;

const encoder = new TextEncoder();

/** Runs `work` until it ends or `signal` fires, and reports the end. */
export async function runLoad(work: Promise<void>, signal: AbortSignal, report: ReportProgress): Promise<void> {
  try {
    await work;
    report({ over: true });
  } catch (error) {
    report(signal.aborted ? { over: true } : { over: true, error: packError(error) });
  }
}

/** Sends messages with the ids `prefix-0`, `prefix-1`, …, one call at a time. */
export async function produce(
  transport: Transport,
  queue: string,
  { prefix, count = Number.POSITIVE_INFINITY, batch = 1, bodyBytes = 0 }: ProduceOptions,
  signal: AbortSignal,
  report: ReportProgress,
): Promise<void> {
  for (let next = 0; next < count && !signal.aborted; next += batch) {
    const ids = Array.from({ length: Math.min(batch, count - next) }, (_, index) => `${prefix}-${next + index}`);
    const messages = ids.map((id) => ({ id, body: encoder.encode(id.padEnd(bodyBytes, '.')) }));
    const [results, call] = await timed(() => transport.queues.send(queue, messages));
    report({ calls: [call], sent: results.filter(({ status }) => status === 'stored').map(({ id }) => id) });
    await new Promise(setImmediate);
  }
}

/** Runs one call and tells when it began and ended. */
async function timed<T>(call: () => Promise<T>): Promise<[T, TimedCall]> {
  const began = performance.timeOrigin + performance.now();
  const value = await call();
  return [value, { began, ended: performance.timeOrigin + performance.now() }];
}

/** Receives and acks, one call at a time. */
export async function consume(
  transport: Transport,
  queue: string,
  { max = 1, ack = true, workMs = 0 }: ConsumeOptions,
  signal: AbortSignal,
  report: ReportProgress,
): Promise<void> {
  const consumer = `process-${process.pid}`;
  while (!signal.aborted) {
    const deliveries = await transport.queues.receive(queue, {
      max,
      waitMs: Number.POSITIVE_INFINITY,
      consumer,
      signal,
    });
    const recorder = new Recorder();
    recorder.add(deliveries, consumer);
    report({ seen: recorder.all });
    if (workMs > 0) await new Promise((resolve) => setTimeout(resolve, workMs));
    if (!ack) continue;
    const acks = deliveries.map(({ receipt }) => ({ receipt, action: 'ack' as const }));
    const [results, call] = await timed(() => transport.queues.settle(acks));
    const acked = deliveries.filter((_, index) => results[index]?.status === 'done').map(({ id }) => id);
    report({ calls: [call], acked });
  }
}
