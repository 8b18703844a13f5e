/** Instruments a bus: traces through its middleware, metrics through its events. */

import type { Bus, Middleware, OutgoingMessage } from '@busbar/api';
import { type MeterProvider, metrics, type TracerProvider, trace } from '@opentelemetry/api';
import { Metrics } from './metrics.ts';
import { observeQueues } from './queue-metrics.ts';
import { Tracing } from './tracing.ts';

/** What to instrument with. */
export interface InstrumentOptions {
  /** Default: the global one. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** Default: the global one. */
  readonly meterProvider?: MeterProvider | undefined;
  /** Whether each collection reads depths and ages of queues. One process of a bus is enough. Default false. */
  readonly observeQueues?: boolean | undefined;
}

const NAME = '@busbar/otel';

/**
 * Traces and measures what `bus` does from now on, until it is closed. Call it once, before agents, workers and subscriptions are
 * opened. Its steps run inside the middleware that is present.
 */
export function instrument(bus: Bus, options: InstrumentOptions = {}): void {
  const tracing = new Tracing((options.tracerProvider ?? trace.getTracerProvider()).getTracer(NAME));
  const meter = (options.meterProvider ?? metrics.getMeterProvider()).getMeter(NAME);
  const measured = new Metrics(meter);
  bus.use(toMiddleware(tracing, measured));
  for (const name of ['done', 'cancelled', 'failed', 'released', 'lease-lost'] as const) {
    bus.events.on(name, (event) => {
      tracing.settled(name, event);
      measured.settled(name, event);
    });
  }
  bus.events.on('failure', (failure) => measured.failure(failure));
  bus.events.on('connection', ({ state }) => measured.connection(state));
  if (options.observeQueues === true) observeQueues(meter, bus);
}

function toMiddleware(tracing: Tracing, measured: Metrics): Middleware {
  const outgoing = (message: OutgoingMessage, next: () => Promise<unknown>): Promise<unknown> =>
    measured.outgoing(message, () => tracing.outgoing(message, next));
  return {
    name: NAME,
    send: outgoing,
    publish: outgoing,
    enqueue: outgoing,
    request: outgoing,
    receive: (source, next) => measured.receive(source, () => tracing.receive(source, next)),
    handle: (received, { source }, next) =>
      measured.handle(received, source, () => tracing.handle(received, source, next)),
  };
}
