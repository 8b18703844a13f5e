// Spans of a handler that gets several tasks in one call.
import { openBus } from '@busbar/api';
import { openMemory } from '@busbar/transport-memory';
import { context, trace } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import { instrument } from '../src/index.ts';
import { Telemetry } from './telemetry.ts';

const onError = (): void => undefined;

it('what a batch handler sends through the context of a task is in the trace of this task', async () => {
  await using telemetry = new Telemetry();
  await using bus = openBus(await openMemory(), { onError });
  instrument(bus, telemetry);
  await using agent = await bus.agent('@reader');
  agent.handle('read', ({ body }) => body);
  const tracer = telemetry.tracerProvider.getTracer('test');
  const traces = new Map<string, string>();
  for (const name of ['one', 'two']) {
    const span = tracer.startSpan(name);
    traces.set(name, span.spanContext().traceId);
    await context.with(trace.setSpan(context.active(), span), () => bus.enqueue('jobs', name));
    span.end();
  }
  const batches: number[] = [];
  await bus.process<string, undefined>(
    'jobs',
    async (tasks) => {
      batches.push(tasks.length);
      for (const { body, context: own } of tasks) {
        await own.publish(`read.${body}`);
        await own.request('@reader', 'read', body);
      }
      // A span of the program stands between the handler and what is sent in it.
      const [, last] = tasks;
      await tracer.startActiveSpan('inner', async (span) => {
        await last?.context.send('@reader', 'read', 1);
        span.end();
      });
    },
    { batch: { max: 2 } },
  );
  await expect.poll(() => telemetry.spans().filter(({ name }) => name === 'ack read').length).toBe(1);
  expect(batches).toEqual([2]);
  const spans = telemetry.spans();
  const sent = spans.filter(({ name }) => name === 'publish' || name === 'request read');
  expect(sent.map(({ name, parent, traceId }) => [name, parent, traceId])).toEqual([
    ['publish', 'process jobs', traces.get('one')],
    ['request read', 'process jobs', traces.get('one')],
    ['publish', 'process jobs', traces.get('two')],
    ['request read', 'process jobs', traces.get('two')],
  ]);
  expect(spans.find(({ name }) => name === 'send read')).toMatchObject({ parent: 'inner', traceId: traces.get('two') });
});

it('two tasks of one trace have their own spans as parents of what they send', async () => {
  await using telemetry = new Telemetry();
  await using bus = openBus(await openMemory(), { onError });
  instrument(bus, telemetry);
  await bus.enqueueAll('jobs', [1, 2]);
  await bus.process(
    'jobs',
    async (tasks) => {
      for (const { body, context: own } of tasks) await own.enqueue('more', body);
    },
    { batch: { max: 2 } },
  );
  const more = () => telemetry.spans().filter(({ name }) => name === 'enqueue more');
  await expect.poll(() => telemetry.spans().filter(({ name }) => name === 'ack jobs').length).toBe(2);
  expect(new Set(more().map(({ parentId }) => parentId)).size).toBe(2);
});
