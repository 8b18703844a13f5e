// Flows: their limits, children that vanish, large ones, and flows that handlers begin.
import { type Bus, type ChildResult, type Flow, openBus } from '@busbar/api';
import { waitFor } from '@busbar/testbed';
import { openMemory } from '@busbar/transport-memory';
import { describe, expect, it, onTestFinished, vi } from 'vitest';

async function open(): Promise<Bus> {
  const bus = openBus(await openMemory(), { onError: () => undefined });
  onTestFinished(() => bus.close({ drainMs: 0 }));
  return bus;
}

/** A worker of parents, which returns what it got. */
async function parents(bus: Bus): Promise<void> {
  await bus.process('wholes', async (_, context) => (await context.children()).map(readResult));
}

function readResult(child: ChildResult): unknown {
  return child.state === 'done' ? child.result : [child.state, child.error.code];
}

async function idsOf(bus: Bus, queue: string): Promise<string[]> {
  return (await bus.queue(queue).tasks()).tasks.map(({ id }) => id);
}

const part = { queue: 'parts' };

describe('a flow is refused', () => {
  it.each([
    [undefined, /must be an object/],
    [{ queue: 'wholes' }, /without children/],
    [{ queue: 'wholes', children: [] }, /without children/],
    [{ queue: 'wholes', children: [{}] }, /queue must be/],
    [{ queue: 'wholes', children: [{ queue: '@agent' }] }, /name of an agent/],
    [{ queue: 'wholes', children: Array.from({ length: 1001 }, () => part) }, /at most 1000/],
    [{ queue: 'wholes', children: [part, { ...part, children: Array.from({ length: 999 }, () => part) }] }, /at most/],
    [{ queue: 'wholes', children: [part], options: { delayMs: 5 } }, /cannot have delayMs/],
    [{ queue: 'wholes', children: [{ ...part, options: { dedupeKey: 'k' } }] }, /cannot have dedupeKey/],
    [{ queue: 'wholes', children: [part], checkMs: 1 }, /checkMs/],
    [{ queue: 'wholes', children: [part], onChildFailure: 'stop' }, /onChildFailure/],
    [{ queue: 'wholes', children: [part], body: 1, key: 2 }, /has no "key"/],
  ])('%#', async (flow, message) => {
    const bus = await open();
    await expect(bus.flow(flow as unknown as Flow)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message });
    expect(await bus.transport.kv.list('')).toEqual([]);
  });

  it('with too many levels of children', async () => {
    const bus = await open();
    let child: Flow['children'][number] = part;
    for (let level = 0; level < 40; level += 1) child = { ...part, children: [child] };
    const flow = bus.flow({ queue: 'wholes', children: [child] });
    await expect(flow).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', hint: expect.stringMatching(/fewer levels/) });
    expect(await bus.transport.kv.list('')).toEqual([]);
  });

  it('with a child that the queue refuses, and nothing is left', async () => {
    const bus = await open();
    await bus.queue('full').configure({ maxLength: 1 });
    const flow = bus.flow({ queue: 'wholes', children: [part, { queue: 'full' }, { queue: 'full' }] });
    await expect(flow).rejects.toMatchObject({ code: 'BACKPRESSURE' });
    for (const queue of ['wholes', 'parts', 'full']) expect(await idsOf(bus, queue)).toEqual([]);
  });

  it('with a child that middleware does not send', async () => {
    const bus = await open();
    bus.use({ enqueue: async ({ target }, next) => (target === 'parts' ? undefined : next()) });
    const flow = bus.flow({ queue: 'wholes', children: [{ queue: 'others' }, part] });
    await expect(flow).rejects.toMatchObject({ message: expect.stringMatching(/did not send child 1/) });
    expect(await bus.transport.kv.list('')).toEqual([]);
  });
});

it('the time-out of a flow bounds each of its calls', async () => {
  const bus = await open();
  const { kv, queues } = bus.transport;
  const [put, send] = [vi.spyOn(kv, 'put'), vi.spyOn(queues, 'send')];
  const whole = { ...part, children: [part] };
  await bus.flow({ queue: 'wholes', options: { timeoutMs: 5_000 }, children: [part, whole] });
  const bounds = [...put.mock.calls, ...send.mock.calls].map(([, , options]) => options?.timeoutMs);
  // Two records, the parent, the children at each level, and twice the note that they are sent.
  expect(bounds).toEqual(Array.from({ length: 7 }, () => 5_000));
});

it('a flow whose parent is refused leaves nothing', async () => {
  const bus = await open();
  await bus.queue('wholes').configure({ frozen: true });
  await expect(bus.flow({ queue: 'wholes', children: [part] })).rejects.toMatchObject({ code: 'CONFLICT' });
  expect(await bus.transport.kv.list('')).toEqual([]);
});

it('a parent is cancelled while a worker looks at its children', async () => {
  const bus = await open();
  const parent = await bus.flow({ queue: 'wholes', children: [part] });
  await parent.reschedule(0);
  const [look] = await bus.transport.queues.receive('wholes');
  const cancelled = parent.cancel();
  await bus.transport.queues.settle([{ receipt: look?.receipt ?? '', action: 'release', delayMs: 30_000 }]);
  expect(await cancelled).toBe(true);
  expect(await idsOf(bus, 'parts')).toEqual([]);
});

it('a purged child has vanished, and the parent learns of that', async () => {
  const bus = await open();
  await parents(bus);
  const children = [part, { queue: 'purged' }, { queue: 'purged' }];
  const parent = await bus.flow({ queue: 'wholes', children, checkMs: 50, onChildFailure: 'ignore' });
  await bus.process('parts', () => 'kept');
  await bus.transport.admin.purge('purged', { state: 'ready' });
  expect(await parent.result()).toEqual(['kept', ['unknown', 'NOT_FOUND'], ['unknown', 'NOT_FOUND']]);
});

it('children and results that are larger than a record are kept until the parent has them', async () => {
  const bus = await open();
  await parents(bus);
  const body = 'x'.repeat(100_000);
  const parent = await bus.flow({ queue: 'wholes', children: [{ ...part, body }, part] });
  expect(await bus.transport.kv.list('$part/')).toEqual([]);
  await bus.process('parts', (task) => task.body ?? null);
  expect(await parent.result()).toEqual([body, null]);
  await waitFor(async () => (await bus.transport.kv.list('$task/#flow/')).length === 0, {
    what: 'the record is deleted',
  });
});

it('1,000 children in one flow', async () => {
  const bus = await open();
  await parents(bus);
  const bodies = Array.from({ length: 1000 }, (_, index) => index);
  const parent = await bus.flow({ queue: 'wholes', children: bodies.map((body) => ({ ...part, body })) });
  await bus.process('parts', ({ body }) => body, { concurrency: 50 });
  expect(await parent.result()).toEqual(bodies);
});

it('a handler that runs again begins its flow once', async () => {
  const bus = await open();
  const ids: string[] = [];
  await bus.process(
    'orders',
    async (_, context) => {
      ids.push((await context.flow({ queue: 'wholes', children: [{ ...part, body: 1 }] })).id);
      if (context.attempt === 1) throw new Error('after the flow');
    },
    { retry: { baseMs: 0 } },
  );
  await (await bus.enqueue('orders')).result();
  expect(new Set(ids).size).toBe(1);
  expect(await idsOf(bus, 'parts')).toHaveLength(1);
});

it('takeTasks takes no parent that waits, and one whose children have ended', async () => {
  const bus = await open();
  const parent = await bus.flow({ queue: 'wholes', children: [part] });
  await parent.reschedule(0);
  await bus.enqueue('wholes', 'other', { priority: 0 });
  const [other, ...none] = await bus.takeTasks('wholes', { max: 1 });
  expect([other?.body, none]).toEqual(['other', []]);
  expect(await parent.status()).toBe('waiting');
  const [child] = await bus.takeTasks('parts');
  await child?.done(1);
  const [ready] = await bus.takeTasks('wholes');
  expect([ready?.id, ready?.attempt]).toEqual([parent.id, 1]);
  await ready?.done('done');
  expect(await parent.result()).toBe('done');
});

it('the failure of a child that ends by takeTasks, or is cancelled while it runs, ends its parent', async () => {
  const bus = await open();
  await parents(bus);
  const first = await bus.flow({ queue: 'wholes', children: [part, { queue: 'never' }] });
  const [child] = await bus.takeTasks('parts');
  await child?.reject('no luck');
  await expect(first.result()).rejects.toMatchObject({ message: expect.stringMatching(/no luck/) });
  const second = await bus.flow({ queue: 'wholes', children: [{ queue: 'endless' }, { queue: 'never' }] });
  await bus.process('endless', () => new Promise<never>(() => undefined));
  const [id = ''] = await idsOf(bus, 'endless');
  const running = bus.task('endless', id);
  await waitFor(async () => (await running.status()) === 'running', { what: 'it runs' });
  await running.cancel({ running: true, reason: 'too long' });
  await expect(second.result()).rejects.toMatchObject({ message: expect.stringMatching(/too long/) });
  expect(await idsOf(bus, 'never')).toEqual([]);
});
