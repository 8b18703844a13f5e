// One trace from a requester through a hub, a queue, a retry and the response, and the spans of each way of a message.
import { type Bus, openBus, RetryError } from '@busbar/api';
import { tempDir } from '@busbar/testbed';
import { openMemory } from '@busbar/transport-memory';
import { context, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';
import { connect } from 'busbar';
import { expect, it } from 'vitest';
import { instrument } from '../src/index.ts';
import { type SeenSpan, Telemetry } from './telemetry.ts';

const onError = (): void => undefined;
const WAIT = { timeout: 10_000 };

function byName(spans: readonly SeenSpan[], name: string): SeenSpan[] {
  return spans.filter((span) => span.name === name);
}

it('a request, a task of its handler, a retry and the response are one trace', { timeout: 60_000 }, async () => {
  await using dir = tempDir();
  const url = `unix:${dir.join('bus.sock')}?store=memory:&idleMs=1000`;
  await using telemetry = new Telemetry();
  await using stack = new AsyncDisposableStack();
  const open = async (): Promise<Bus> => {
    const bus = stack.use(await connect(url, { onError }));
    instrument(bus, telemetry);
    return bus;
  };
  const [requester, coordinator, worker] = [await open(), await open(), await open()];
  await worker.process<string, string>(
    'reviews',
    ({ body }, { attempt }) => {
      if (attempt === 1) throw new TypeError('not yet');
      return `${body} reviewed`;
    },
    { retry: { baseMs: 1, jitter: 'none' } },
  );
  const agent = await coordinator.agent('@coordinator');
  agent.handle<string>('review', async ({ body }, ctx) => {
    const task = await ctx.enqueue<string, string>('reviews', body);
    const result = await task.result();
    await ctx.publish('review.done', result);
    return result;
  });
  expect(await requester.request('@coordinator', 'review', 'a.ts', { timeoutMs: 30_000 })).toBe('a.ts reviewed');
  await expect.poll(() => byName(telemetry.spans(), 'ack reviews').length, WAIT).toBe(1);
  const spans = telemetry.spans();
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  const tree = spans.map(({ name, parent, kind, isError, links }) => [parent, name, SpanKind[kind], isError, links]);
  expect(tree.sort((one, other) => (String(one) < String(other) ? -1 : 1))).toEqual(
    [
      [undefined, 'request review', 'CLIENT', false, []],
      ['request review', 'process review', 'SERVER', false, ['request review']],
      ['process review', 'enqueue reviews', 'PRODUCER', false, []],
      ['process review', 'publish', 'PRODUCER', false, []],
      ['enqueue reviews', 'process reviews', 'CONSUMER', true, ['enqueue reviews']],
      ['enqueue reviews', 'process reviews', 'CONSUMER', false, ['enqueue reviews']],
      ['process reviews', 'retry reviews', 'CLIENT', false, ['enqueue reviews']],
      ['process reviews', 'ack reviews', 'CLIENT', false, ['enqueue reviews']],
    ].sort((one, other) => (String(one) < String(other) ? -1 : 1)),
  );
  const [failed, done] = byName(spans, 'process reviews');
  expect(failed?.attributes).toMatchObject({
    'messaging.system': 'busbar',
    'messaging.operation.type': 'process',
    'messaging.destination.name': 'reviews',
    'busbar.attempt': 1,
    'error.type': 'TypeError',
  });
  expect(done?.attributes).toMatchObject({ 'busbar.attempt': 2 });
  const id = byName(spans, 'enqueue reviews')[0]?.attributes['messaging.message.id'];
  expect([failed, done].map((span) => span?.attributes['messaging.message.id'])).toEqual([id, id]);
});

it('a parent and its children, also those of a child, are one trace', async () => {
  await using telemetry = new Telemetry();
  await using bus = openBus(await openMemory(), { onError });
  instrument(bus, telemetry);
  for (const queue of ['count', 'part', 'sum']) await bus.process(queue, () => undefined);
  const part = { queue: 'part', children: [{ queue: 'count' }] };
  await (await bus.flow({ queue: 'sum', children: [{ queue: 'count' }, part] })).result();
  await expect.poll(() => byName(telemetry.spans(), 'ack sum').length, WAIT).toBe(1);
  const spans = telemetry.spans();
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  const tree = spans.map(({ name, parent = '' }) => `${parent} > ${name}`);
  expect(tree.filter((line) => /> (enqueue|process)/.test(line)).toSorted()).toEqual([
    ' > enqueue sum',
    'enqueue count > process count',
    'enqueue count > process count',
    'enqueue part > enqueue count',
    'enqueue part > process part',
    'enqueue sum > enqueue count',
    'enqueue sum > enqueue part',
    'enqueue sum > process sum',
  ]);
});

it('mail, events and receives by hand carry the trace; live events and requests are not settled', async () => {
  await using telemetry = new Telemetry();
  await using bus = openBus(await openMemory(), { onError });
  instrument(bus, telemetry);
  const agent = await bus.agent('@agent');
  await bus.send('@agent', 'note', 1);
  const [message] = await agent.receive();
  await message?.ack();
  expect(await agent.receive()).toEqual([]);
  await bus.enqueueAll('jobs', [1, 2]);
  const [one, other] = await bus.takeTasks('jobs', { max: 5 });
  await one?.fail({ delayMs: 60_000 });
  await bus.heldTask(other?.receipt ?? '').done();
  agent.handle('note', (_, ctx) => ctx.publish('news.today'));
  await bus.subscribe('news.*', () => undefined);
  await bus.subscribe('news.*', () => undefined, { durableName: 'kept' });
  await bus.send('@agent', 'note', 2);
  await expect.poll(() => byName(telemetry.spans(), 'ack kept').length, WAIT).toBe(1);
  for (const name of ['process news.*', 'ack note'])
    await expect.poll(() => byName(telemetry.spans(), name).length, WAIT).toBe(name === 'ack note' ? 2 : 1);
  const spans = telemetry.spans();
  expect(byName(spans, 'receive note')).toEqual([]);
  expect(byName(spans, 'receive')).toMatchObject([{ links: ['send note'], kind: SpanKind.CLIENT }]);
  const batch = { 'messaging.batch.message_count': 2, 'messaging.destination.name': 'jobs' };
  expect(byName(spans, 'receive jobs')).toMatchObject([{ links: ['enqueue jobs', 'enqueue jobs'], attributes: batch }]);
  expect(byName(spans, 'retry jobs')).toMatchObject([{ parent: 'receive jobs', links: ['enqueue jobs'] }]);
  expect(byName(spans, 'ack jobs')).toMatchObject([{ parent: 'receive jobs', links: ['enqueue jobs'] }]);
  expect(byName(spans, 'process kept')).toMatchObject([
    { parent: 'publish', attributes: { 'messaging.destination.subscription.name': 'kept' } },
  ]);
  expect(byName(spans, 'publish')).toMatchObject([{ parent: 'process note' }]);
  const links = ['send note'];
  expect(byName(spans, 'ack note')).toMatchObject([
    { parent: 'receive', links },
    { parent: 'process note', links },
  ]);
  expect(byName(spans, 'ack news.*')).toEqual([]);
  const { traceId } = byName(spans, 'ack note')[1]!;
  const trace = spans.filter((span) => span.traceId === traceId).map(({ name }) => name);
  const handled = ['process kept', 'process news.*', 'process note'];
  expect(trace.toSorted()).toEqual(['ack kept', 'ack note', ...handled, 'publish', 'send note']);
});

it('a settlement by hand in another process is in the trace that is active there', async () => {
  await using telemetry = new Telemetry();
  await using bus = openBus(await openMemory({ name: 'held' }), { onError });
  await using other = openBus(await openMemory({ name: 'held' }), { onError });
  instrument(other, telemetry);
  const { id } = await bus.enqueue('jobs', 1);
  const [task] = await bus.takeTasks('jobs');
  const span = telemetry.tracerProvider.getTracer('test').startSpan('program');
  await context.with(trace.setSpan(ROOT_CONTEXT, span), () => other.heldTask(task?.receipt ?? '').done());
  span.end();
  const [ack, ...none] = byName(telemetry.spans(), 'ack jobs');
  expect(ack).toMatchObject({ parent: 'program', links: [], attributes: { 'messaging.message.id': id } });
  expect(none).toEqual([]);
});

it('a task that is cancelled while it waits has no settlement, and is counted', async () => {
  await using telemetry = new Telemetry();
  await using bus = openBus(await openMemory(), { onError });
  instrument(bus, telemetry);
  expect(await (await bus.enqueue('jobs', 1)).cancel()).toBe(true);
  expect(telemetry.spans().map(({ name }) => name)).toEqual(['enqueue jobs']);
  expect((await telemetry.samples()).get('busbar.settled.messages')).toMatchObject([
    { attributes: { 'busbar.outcome': 'cancelled', 'messaging.destination.name': 'jobs' }, value: 1 },
  ]);
});

it('a schedule begins a trace for each message; a postponed message has no error', async () => {
  await using telemetry = new Telemetry();
  await using bus = openBus(await openMemory(), { onError });
  instrument(bus, telemetry);
  const other = telemetry.tracerProvider.getTracer('test').startSpan('other');
  await context.with(trace.setSpan(context.active(), other), async () => {
    await bus.process('jobs', (_, { attempt, source }) => {
      expect([attempt, source]).toEqual([1, { kind: 'task', queue: 'jobs' }]);
      if (byName(telemetry.spans(), 'process jobs').length === 0)
        throw new RetryError('not now', { afterMs: 1, countAttempt: false });
    });
    await bus.schedules.put('nightly', { queue: 'jobs', everyMs: 3_600_000 });
    await bus.schedules.runNow('nightly');
  });
  await expect.poll(() => byName(telemetry.spans(), 'ack jobs').length, WAIT).toBe(1);
  const spans = telemetry.spans();
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  expect(other.spanContext().traceId).not.toBe(spans[0]?.traceId);
  const tree = spans.map(({ name, parent = '', isError }) => `${parent} > ${name} ${isError}`);
  expect(tree.toSorted()).toEqual([
    ' > enqueue jobs false',
    'enqueue jobs > process jobs false',
    'enqueue jobs > process jobs false',
    'process jobs > ack jobs false',
    'process jobs > release jobs false',
  ]);
  expect(byName(spans, 'enqueue jobs')).toMatchObject([{ attributes: { 'busbar.schedule': 'nightly' } }]);
});

it('a refused send is an error of its span; a header of the program is its parent', async () => {
  await using telemetry = new Telemetry();
  await using bus = openBus(await openMemory(), { onError });
  instrument(bus, telemetry);
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await expect(bus.send('@nobody', 'note', 1, { headers: { traceparent } })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  expect(telemetry.spans()).toMatchObject([
    {
      name: 'send note',
      isError: true,
      traceId: '0af7651916cd43dd8448eb211c80319c',
      attributes: { 'error.type': 'NOT_FOUND', 'messaging.destination.name': '@nobody' },
    },
  ]);
});
