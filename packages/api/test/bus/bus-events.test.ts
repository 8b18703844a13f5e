// Life-cycle events of a bus: messages, tasks, requests, agents and the connection.
import { type BackgroundFailure, type Bus, type BusEventMap, RejectError } from '@busbar/api';
import { openMemory } from '@busbar/transport-memory';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openBus } from '../../src/bus/bus.ts';
import { backends, Lab } from '../lab.ts';

type Seen = { readonly name: keyof BusEventMap } & Record<string, unknown>;

const WAIT = { timeout: 10_000 };

const NAMES = [
  ...(['sent', 'started', 'done', 'cancelled', 'failed', 'released', 'lease-lost'] as const),
  ...(['agent', 'connection', 'reset', 'failure'] as const),
];

/** All events of a bus, without their times. */
function record(bus: Bus, names: readonly (keyof BusEventMap)[] = NAMES): Seen[] {
  const seen: Seen[] = [];
  for (const name of names) {
    bus.events.on(name, (event) => {
      const { at, durationMs, ...rest } = event as BusEventMap['done'];
      expect([typeof at, ['undefined', 'number'].includes(typeof durationMs)]).toEqual(['number', true]);
      seen.push({ name, ...rest });
    });
  }
  return seen;
}

describe.each(backends)('events of a bus on %s', (backend) => {
  it('follow a task through a retry to its end, and to a dead letter', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const seen = record(bus, ['sent', 'started', 'done', 'failed', 'failure']);
    const retry = { baseMs: 1, maxMs: 1, jitter: 'none' } as const;
    await bus.process<string>(
      'jobs',
      ({ body }, { attempt }) => {
        if (body === 'rejected') throw new RejectError('never');
        if (attempt === 1) throw new Error('once');
      },
      { maxAttempts: 2, retry },
    );
    const task = await bus.enqueue('jobs', 'retried');
    await task.result();
    const on = { kind: 'task', queue: 'jobs', id: task.id };
    await expect.poll(() => seen.at(-1)?.name, WAIT).toBe('done');
    // The answer to a send may come after its effect.
    const sent = seen.filter(({ name }) => name === 'sent');
    expect(sent).toEqual([{ name: 'sent', kind: 'enqueue', target: 'jobs', id: task.id }]);
    expect(seen.filter(({ name }) => name !== 'failure' && name !== 'sent')).toEqual([
      { name: 'started', ...on, attempt: 1 },
      { name: 'failed', ...on, attempt: 1, reason: 'Error: once', next: 'retry', delayMs: 1 },
      { name: 'started', ...on, attempt: 2 },
      { name: 'done', ...on, attempt: 2 },
    ]);
    const [failure] = seen.filter(({ name }) => name === 'failure') as unknown as BackgroundFailure[];
    expect(failure).toMatchObject({ ...on, place: 'tasks of jobs', attempt: 1, error: { code: 'HANDLER_FAILED' } });

    const dead = await bus.enqueue('jobs', 'rejected');
    await expect(dead.result()).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
    await expect
      .poll(() => seen.findLast(({ name }) => name === 'failed'), WAIT)
      .toEqual({ name: 'failed', ...on, id: dead.id, attempt: 1, reason: 'never', next: 'dead-letter' });
  });

  it('tell agents, messages, requests and events apart', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const seen = record(bus, ['sent', 'done', 'failed', 'agent']);
    const agent = await bus.agent('@agent');
    agent.handle('good', () => undefined);
    agent.handle('bad', () => Promise.reject(new Error('no')));
    await bus.subscribe('news', () => undefined);
    await bus.subscribe('news', () => undefined, { durableName: 'kept' });
    const sent = await bus.send('@agent', 'good');
    await bus.request('@agent', 'good');
    await expect(bus.request('@agent', 'bad')).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
    const { id } = await bus.publish('news');
    await expect.poll(() => seen.length, WAIT).toBe(8);
    await agent.close();
    const { instance } = agent;
    const sorted = seen.map((one) => ({ ...one, ...(one['kind'] === 'request' && { id: '' }) }));
    expect(sorted).toEqual(
      expect.arrayContaining([
        { name: 'agent', agent: '@agent', instance, state: 'online' },
        { name: 'sent', kind: 'send', target: '@agent', type: 'good', id: sent.id },
        { name: 'done', kind: 'message', agent: '@agent', type: 'good', id: sent.id, attempt: 1 },
        { name: 'done', kind: 'request', agent: '@agent', type: 'good', id: '', attempt: 1 },
        {
          name: 'failed',
          kind: 'request',
          agent: '@agent',
          type: 'bad',
          id: '',
          attempt: 1,
          reason: 'Error: no',
          next: 'none',
        },
        { name: 'sent', kind: 'publish', target: 'news', id },
        { name: 'done', kind: 'event', subscription: 'news', isLive: true, id, attempt: 1 },
        { name: 'done', kind: 'event', subscription: 'kept', id, attempt: 1 },
        { name: 'agent', agent: '@agent', instance, state: 'offline' },
      ]),
    );
    expect(sorted).toHaveLength(9);
  });

  it('tell of a cancelled task, and of one that its closing worker released', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const seen = record(bus, ['cancelled', 'released', 'done']);
    const begun = Promise.withResolvers<void>();
    const worker = await bus.process('jobs', async (_, { signal }) => {
      begun.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    });
    const task = await bus.enqueue('jobs');
    await begun.promise;
    await task.cancel({ running: true });
    await expect.poll(() => seen.length, WAIT).toBe(1);
    const other = await bus.enqueue('jobs');
    await expect.poll(() => worker.running, WAIT).toBe(1);
    await worker.close({ drainMs: 0 });
    await expect.poll(() => seen.length, WAIT).toBe(2);
    const on = { kind: 'task', queue: 'jobs', attempt: 1 };
    expect(seen).toEqual([
      { name: 'cancelled', ...on, id: task.id },
      { name: 'released', ...on, id: other.id },
    ]);
  });

  it('tell of tasks that were cancelled while they waited: by a handle, by their successor, and with their flow', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const seen = record(bus, ['cancelled']);
    const delayMs = 3_600_000;
    const waiting = await bus.enqueue('jobs', 1, { type: 'count' });
    expect([await waiting.cancel(), await waiting.cancel()]).toEqual([true, false]);
    const replaced = await bus.enqueue('jobs', 1, { replaceKey: 'k', delayMs });
    await bus.enqueue('jobs', 2, { replaceKey: 'k', delayMs });
    const of = (queue: string, id: unknown) => ({ name: 'cancelled', kind: 'task', queue, id, attempt: 0 });
    expect(seen.splice(0)).toEqual([of('jobs', waiting.id), of('jobs', replaced.id)]);

    const inner = { queue: 'inner', children: [{ queue: 'leaves' }] };
    const parent = await bus.flow({ queue: 'outer', children: [inner] });
    expect(await parent.cancel()).toBe(true);
    const inOuter = [of('outer', parent.id), of('inner', expect.any(String)), of('leaves', expect.any(String))];
    expect(seen.splice(0)).toEqual(inOuter);

    await bus.process('outer', () => undefined);
    await bus.process('bad', () => {
      throw new RejectError('never');
    });
    const failed = await bus.flow({ queue: 'outer', children: [{ queue: 'leaves' }, { queue: 'bad' }] });
    await expect(failed.result()).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
    expect(seen).toEqual([of('leaves', expect.any(String))]);
  });
});

it('a message that is settled by hand has its events, also by its receipt alone', async () => {
  await using bus = openBus(await openMemory(), { onError: () => undefined });
  const seen = record(bus, ['done', 'failed', 'released', 'lease-lost']);
  const agent = await bus.agent('@agent');
  const { id } = await bus.send('@agent', 'x');
  const [first] = await agent.receive();
  await first?.release();
  const [second] = await agent.receive();
  await second?.ack();
  await expect(second?.ack()).rejects.toMatchObject({ code: 'LEASE_LOST' });
  const task = await bus.enqueue('jobs');
  const [taken] = await bus.takeTasks('jobs');
  await taken?.fail({ reason: 'no', delayMs: 0 });
  const [again] = await bus.takeTasks('jobs');
  await bus.heldTask(again?.receipt ?? '').done();
  const mail = { kind: 'message', agent: '@agent', type: 'x', id, attempt: 1 };
  const job = { kind: 'task', queue: 'jobs', id: task.id };
  expect(seen).toEqual([
    { name: 'released', ...mail },
    { name: 'done', ...mail },
    { name: 'lease-lost', ...mail },
    { name: 'failed', ...job, attempt: 1, reason: 'no', next: 'retry', delayMs: 0 },
    { name: 'done', ...job, attempt: 2 },
  ]);
});

it('an event of the transport reaches each bus until that is closed', async () => {
  await using transport = await openMemory();
  const bus = openBus(transport, { ownsTransport: false });
  const own = openBus(transport);
  const states: unknown[] = [];
  for (const one of [bus, own]) one.events.on('connection', ({ state }) => states.push(state));
  await bus.close();
  expect(states).toEqual([]);
  const lines: string[] = [];
  const logged = openBus(await openMemory(), { logger: { warn: () => undefined, info: (text) => lines.push(text) } });
  await logged.agent('@agent');
  await logged.close();
  expect(lines).toEqual(['agent @agent: online', 'agent @agent: offline']);
});

it('a listener that throws is reported and affects nothing else; one that is removed hears nothing', async () => {
  const failures: BackgroundFailure[] = [];
  await using bus = openBus(await openMemory(), { onError: (failure) => void failures.push(failure) });
  const fail = (): never => {
    throw new Error('from the listener');
  };
  const stop = bus.events.on('sent', fail);
  bus.events.on('failure', fail);
  const seen = record(bus, ['sent', 'failure']);
  await bus.enqueue('jobs');
  expect(failures.map(({ kind, place }) => [kind, place])).toEqual([['listener', 'listener']]);
  stop();
  stop();
  await bus.enqueue('jobs');
  expect([failures.length, seen.map(({ name }) => name)]).toEqual([1, ['sent', 'sent']]);
  expect(() => bus.events.on('send' as 'sent', fail)).toThrow('the name of an event');
  expect(() => bus.events.on('sent', 1 as never)).toThrow('listener');
  expect(() => bus.events.on('sent', function* () {} as never)).toThrow('listener must not be a generator function');
});

it('a listener that rejects is reported, and does not end the process', async () => {
  const [failures, rejections] = [[] as BackgroundFailure[], [] as unknown[]];
  const note = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  await using transport = await openMemory();
  await using bus = openBus(transport, { onError: (failure) => void failures.push(failure), ownsTransport: false });
  const fail = async (): Promise<void> => {
    throw new Error('from the listener');
  };
  bus.events.on('sent', fail);
  bus.events.on('failure', fail);
  transport.onState(fail);
  const agent = await bus.agent('@agent', { presenceTtlMs: 200, onEvicted: fail });
  await bus.enqueue('jobs');
  const evicted = async (): Promise<boolean> => {
    await transport.kv.delete(`$live/@agent/${agent.instance}`);
    return failures.some(({ kind, error }) => kind === 'presence' && error.message === 'from the listener');
  };
  await expect.poll(evicted, WAIT).toBe(true);
  expect(failures.filter(({ kind }) => kind === 'listener').map(({ error }) => error.message)).toContain(
    'from the listener',
  );
  const closing = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  await transport.close();
  expect(closing).toHaveBeenCalledWith(expect.stringContaining('from the listener'), 'BusbarWarning');
  await new Promise(setImmediate);
  expect(rejections).toEqual([]);
});
