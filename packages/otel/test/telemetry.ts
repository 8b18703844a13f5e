/** The SDK of OpenTelemetry with exporters in memory. */

import { context, propagation, type SpanKind } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());

/** A finished span with the name of its parent. */
export interface SeenSpan {
  readonly name: string;
  readonly parent: string | undefined;
  readonly parentId: string | undefined;
  readonly kind: SpanKind;
  readonly isError: boolean;
  readonly traceId: string;
  readonly links: readonly string[];
  readonly attributes: ReadableSpan['attributes'];
}

/** Providers whose telemetry stays in memory. */
export class Telemetry {
  readonly #spans = new InMemorySpanExporter();
  readonly #metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  readonly tracerProvider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter: this.#spans })],
  });
  readonly #reader = new PeriodicExportingMetricReader({ exporter: this.#metrics, exportIntervalMillis: 3_600_000 });
  readonly meterProvider = new MeterProvider({ readers: [this.#reader] });

  /** The finished spans, in the order of their ends. */
  spans(): SeenSpan[] {
    const all = this.#spans.getFinishedSpans();
    const names = new Map(all.map((span) => [span.spanContext().spanId, span.name]));
    return all.map((span) => ({
      name: span.name,
      parent: names.get(span.parentSpanContext?.spanId ?? ''),
      parentId: span.parentSpanContext?.spanId,
      kind: span.kind,
      isError: span.status.code === 2,
      traceId: span.spanContext().traceId,
      links: span.links.map(({ context: { spanId } }) => names.get(spanId) ?? '?'),
      attributes: span.attributes,
    }));
  }

  /** The samples of all metrics, by name. */
  async samples(): Promise<Map<string, { attributes: Record<string, unknown>; value: unknown }[]>> {
    this.#metrics.reset();
    await this.#reader.forceFlush();
    const scopes = this.#metrics.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics);
    const all = scopes.flatMap(({ metrics }) => metrics);
    return new Map(
      all.map(({ descriptor, dataPoints }) => [
        descriptor.name,
        dataPoints.map(({ attributes, value }) => ({ attributes: { ...attributes }, value })),
      ]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tracerProvider.shutdown();
    await this.meterProvider.shutdown();
  }
}
