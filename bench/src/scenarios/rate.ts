/** An open loop at fixed rates, stepped up until the target does not keep up: latency from the time at which each task had to leave. */

import { cost, type Figure, rate as perSecondFigure } from '../figures.ts';
import { LatencyHistogram } from '../latency-histogram.ts';
import type { ActorProcess } from '../processes/actor-process.ts';
import type { Scenario } from './scenario.ts';

const RATES = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000];
const SHORT_RATES = [250, 1_000, 4_000, 16_000];
const STEP_MS = 1_000;
const SHORT_STEP_MS = 500;
const IN_FLIGHT = 64;
/** Latency that grows by more than this share of the time is a queue that gets longer. */
const GROWTH = 0.05;
const LEAST_GROWTH_MS = 25;

export const rate: Scenario = {
  title:
    'Tasks at fixed rates until the backlog grows: latency from the time at which each had to leave, up to its handler',
  once: true,
  mostRuns: 1,
  scaling: true,
  seconds: ({ short }) => (short ? 3.5 : 11),
  async run(sandbox, { bodyBytes, short }) {
    const producer = await sandbox.actor();
    const consumer = await sandbox.actor();
    await consumer.call('receiveOffers', IN_FLIGHT);
    const step = (perSecond: number): Promise<RateStep> =>
      runStep({ producer, consumer }, perSecond, { bodyBytes, ms: short ? SHORT_STEP_MS : STEP_MS });
    // The first step warms up.
    await step(RATES[0] ?? 0);
    const steps: RateStep[] = [];
    for (const perSecond of short ? SHORT_RATES : RATES) {
      steps.push(await step(perSecond));
      if (steps.at(-1)?.keptUp === false) break;
    }
    const kept = steps.findLast(({ keptUp }) => keptUp)?.perSecond ?? 0;
    // One more rate between the last that was kept up with and the first that was not.
    if (!short && steps.at(-1)?.keptUp === false && kept > 0) steps.push(await step(kept * 1.5));
    const most = Math.max(0, ...steps.filter(({ keptUp }) => keptUp).map(({ perSecond }) => perSecond));
    steps.sort((a, b) => a.perSecond - b.perSecond);
    return [...steps.flatMap(({ figures }) => figures), perSecondFigure('highest rate kept up with', most, 1000)];
  },
};

/** One rate. */
interface RateStep {
  readonly perSecond: number;
  readonly keptUp: boolean;
  readonly figures: readonly Figure[];
}

async function runStep(
  { producer, consumer }: { readonly producer: ActorProcess; readonly consumer: ActorProcess },
  perSecond: number,
  { bodyBytes, ms }: { readonly bodyBytes: number; readonly ms: number },
): Promise<RateStep> {
  const count = Math.ceil((perSecond * ms) / 1000);
  await consumer.call('beginOffer', count);
  const { sent, lateness } = await producer.call('offer', { perSecond, count, bodyBytes });
  const { histogram, growthMs } = await consumer.call('endOffer', sent);
  const [latency, late] = [LatencyHistogram.of(histogram), LatencyHistogram.of(lateness)];
  const at = `${perSecond} /s`;
  return {
    perSecond,
    keptUp: sent === count && growthMs < Math.max(LEAST_GROWTH_MS, (GROWTH * ms) / 2),
    figures: [
      { ...cost('p50', 'ms', latency.percentileMs(0.5), at), histogram },
      cost('p99', 'ms', latency.percentileMs(0.99), at),
      cost('p99.9', 'ms', latency.percentileMs(0.999), at),
      cost('sender late p99', 'ms', late.percentileMs(0.99), at),
    ],
  };
}
