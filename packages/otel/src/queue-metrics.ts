/** Depths and ages of all queues of a bus as metrics: what Prometheus gets from `toPrometheusText`. */

import { type Bus, type Metric, toMetrics } from '@busbar/api';
import type { Meter } from '@opentelemetry/api';

/** The gauges, by their name in {@link toMetrics}. */
const GAUGES = {
  busbar_queue_messages: ['busbar.queue.messages', '{message}'],
  busbar_queue_oldest_age_seconds: ['busbar.queue.oldest_age', 's'],
  busbar_agents_online: ['busbar.agents.online', '{agent}'],
} as const;

/** Reads the statistics of `bus` at each collection. The SDK reports one that fails. */
export function observeQueues(meter: Meter, bus: Bus): void {
  const gauges = Object.entries(GAUGES).map(
    ([source, [name, unit]]) => [source, meter.createObservableGauge(name, { unit })] as const,
  );
  meter.addBatchObservableCallback(
    async (result) => {
      const all: readonly Metric[] = toMetrics(await bus.stats());
      for (const [source, gauge] of gauges) {
        const { samples = [] } = all.find(({ name }) => name === source) ?? {};
        for (const [labels, value] of samples) result.observe(gauge, value, labels);
      }
    },
    gauges.map(([, gauge]) => gauge),
  );
}
