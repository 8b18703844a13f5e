/** Traces the bus. Each span is a line of a file; a service would use NodeSDK with an OTLP exporter. */

import { appendFileSync } from 'node:fs';
import { instrument } from '@busbar/otel';
import { context, propagation } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core';
import { SimpleSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Bus } from 'busbar';

export function trace(bus: Bus, file: string): TracerProvider {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const exporter: SpanExporter = {
    export(spans, done) {
      const lines = spans.map((span) =>
        JSON.stringify({
          trace: span.spanContext().traceId,
          span: span.spanContext().spanId,
          parent: span.parentSpanContext?.spanId,
          name: span.name,
          attempt: span.attributes['busbar.attempt'],
        }),
      );
      appendFileSync(file, `${lines.join('\n')}\n`);
      done({ code: ExportResultCode.SUCCESS });
    },
    shutdown: async () => undefined,
  };
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  instrument(bus, { tracerProvider });
  return tracerProvider;
}
