// Failures that no caller waits for: without a listener a warning once per place. They never end the process.
import { type BackgroundFailure, type Bus, BusbarError, type Logger, openBus } from '@busbar/api';
import { WorkFailures } from '@busbar/api/driver';
import { openMemory } from '@busbar/transport-memory';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { fromFailureRecord, RejectError, readFailureRecord, toFailureRecord } from '../../src/bus/consuming/failure.ts';
import { ErrorReporter } from '../../src/bus/observing/error-reporter.ts';
import { processLogger } from '../../src/bus/observing/logger.ts';
import { cutText, readThrown, sayThrown, textOf } from '../../src/contract/thrown.ts';

const WAIT = { timeout: 10_000 };

async function open(options?: Parameters<typeof openBus>[1]): Promise<Bus> {
  const bus = openBus(await openMemory(), options);
  onTestFinished(() => bus.close({ drainMs: 0 }));
  return bus;
}

/** The warnings of the process until the test ends. */
function listen(): string[] {
  const lines: string[] = [];
  vi.spyOn(process, 'emitWarning').mockImplementation((text, type) => void lines.push(`${type}: ${text}`));
  return lines;
}

function listenForRejections(): unknown[] {
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  return rejections;
}

/** A failure of each place that a test can reach. Resolves when all are reported. */
async function failEverywhere(bus: Bus): Promise<void> {
  let runs = 0;
  const fail = (): never => {
    runs += 1;
    throw new Error('first line\nsecond\u001b[31mline');
  };
  await bus.process('jobs', fail, { maxAttempts: 3, retry: { baseMs: 0 } });
  await bus.subscribe('news', fail);
  const [task] = await bus.enqueueAll('jobs', [1, 2]);
  await bus.publish('news');
  await bus.publish('news');
  await expect.poll(() => runs, WAIT).toBe(8);
  await expect(task!.result()).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
}

/** A bus over a transport whose background work fails each time the function is called. */
async function openFailing(options?: Parameters<typeof openBus>[1]): Promise<(work: string) => void> {
  const transport = await openMemory();
  const failures = new WorkFailures(['TIMEOUT']);
  transport.onFailure = (listener) => {
    failures.listen(listener);
    return () => undefined;
  };
  const bus = openBus(transport, options);
  onTestFinished(() => bus.close({ drainMs: 0 }));
  return (work) => failures.report(work, new BusbarError('BACKPRESSURE', 'the disk is full'));
}

describe('background work of a transport', () => {
  it('that fails is reported to onError and as an event, each time', async () => {
    const reports: BackgroundFailure[] = [];
    const fail = await openFailing({ onError: (failure) => void reports.push(failure) });
    for (const work of ['maintenance', 'backfill', 'maintenance']) fail(work);
    expect(reports).toMatchObject([
      { kind: 'background', work: 'maintenance', place: 'background maintenance', error: { code: 'BACKPRESSURE' } },
      { kind: 'background', work: 'backfill', place: 'background backfill' },
      { kind: 'background', work: 'maintenance' },
    ]);
  });

  it('is a warning once per place without onError', async () => {
    const lines = listen();
    const fail = await openFailing();
    for (const work of ['maintenance', 'backfill', 'maintenance']) fail(work);
    expect(lines).toEqual([
      expect.stringMatching(/^BusbarWarning: background maintenance: the disk is full/),
      expect.stringMatching(/^BusbarWarning: background backfill: the disk is full/),
    ]);
  });
});

describe('without onError', () => {
  it('the first failure of each place is a warning of the process, on one line', async () => {
    const lines = listen();
    const bus = await open();
    await failEverywhere(bus);
    expect(lines.toSorted()).toEqual([
      expect.stringMatching(/^BusbarWarning: subscription news: .*first line second \[31mline.* pass onError/),
      expect.stringMatching(/^BusbarWarning: tasks of jobs: .*first line second \[31mline.* pass onError/),
    ]);
  });

  it('it is a warning of the console where there is no process', () => {
    const lines: unknown[] = [];
    vi.spyOn(console, 'warn').mockImplementation((line: unknown) => void lines.push(line));
    vi.stubGlobal('process', { pid: 1 });
    try {
      processLogger.warn('gone', {});
    } finally {
      vi.unstubAllGlobals();
    }
    expect(lines).toEqual(['BusbarWarning: gone']);
  });

  it('a logger gets it, and the later ones as debug', async () => {
    const lines = { warn: [] as string[], debug: [] as BackgroundFailure[] };
    const bus = await open({
      logger: {
        warn: async (text) => {
          lines.warn.push(text);
          throw new Error('from the logger');
        },
        debug: (_, fields) => {
          lines.debug.push(fields as BackgroundFailure);
          throw new Error('from the logger');
        },
      },
    });
    await failEverywhere(bus);
    expect(lines.warn.map((text) => text.split(':')[0]).toSorted()).toEqual(['subscription news', 'tasks of jobs']);
    await expect
      .poll(() => lines.debug.map(({ place }) => place).toSorted(), WAIT)
      .toEqual(['subscription news', ...Array.from({ length: 5 }, () => 'tasks of jobs')]);
  });

  it('of 1,000 places are warnings; then one says that it is the last one', () => {
    const [lines, details]: [string[], string[]] = [[], []];
    const logger = { warn: (text: string) => lines.push(text), debug: (text: string) => details.push(text) };
    const reporter = new ErrorReporter({ onError: undefined, logger }, () => undefined);
    for (let id = 0; id < 1_003; id += 1) reporter.report(new Error('x'), { kind: 'task', queue: `q${id}` });
    expect([lines.length, details.length, reporter.count]).toEqual([1_001, 2, 1_003]);
    expect(lines[999]).toMatch(/^tasks of q999: x Later failures of this place/);
    expect(lines[1000]).toMatch(/^tasks of q1000: x This is the last warning, since 1000 other places failed/);
  });

  it('a store that lost data is an error of the logger', () => {
    const lines: string[] = [];
    const add = (level: string) => (text: string) => lines.push(`${level}: ${text}`);
    const lost = new BusbarError('DATA_LOSS', 'gone');
    const report = (logger: Logger, kind: 'store' | 'lock'): void =>
      new ErrorReporter({ onError: undefined, logger }, () => undefined).report(lost, { kind });
    report({ warn: add('warn'), error: add('error') }, 'store');
    report({ warn: add('warn'), error: add('error') }, 'lock');
    report({ warn: add('warn') }, 'store');
    expect(lines.map((line) => line.split(': gone')[0])).toEqual(['error: store', 'warn: lock', 'warn: store']);
  });
});

describe('onError', () => {
  it('may throw, reject, and return a promise, without an effect', async () => {
    const rejections = listenForRejections();
    const seen: string[] = [];
    const throwing = await open({
      onError: () => {
        throw new Error('from the listener');
      },
    });
    const rejecting = await open({
      onError: async ({ error }) => {
        seen.push(error.code);
        throw new Error('from the listener');
      },
    });
    for (const bus of [throwing, rejecting]) {
      await bus.process('jobs', () => Promise.reject(new Error('no')), { maxAttempts: 1 });
      const task = await bus.enqueue('jobs');
      await expect(task.result()).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
    }
    await new Promise(setImmediate);
    expect([seen, rejections]).toEqual([['HANDLER_FAILED'], []]);
  });

  it('gets the kind, the place, the id and the attempt', async () => {
    const failures: BackgroundFailure[] = [];
    const bus = await open({ onError: (failure) => void failures.push(failure) });
    const fail = (): never => {
      throw new Error('no');
    };
    await bus.process('jobs', fail, { maxAttempts: 2, retry: { baseMs: 0 } });
    await bus.subscribe('live.*', fail);
    await bus.subscribe('kept.*', fail, { durableName: 'kept', maxAttempts: 1 });
    const agent = await bus.agent('@agent', { maxAttempts: 1 });
    agent.handle('x', fail);
    const task = await bus.enqueue('jobs');
    const [live, kept, mail] = [
      await bus.publish('live.a'),
      await bus.publish('kept.a'),
      await bus.send('@agent', 'x'),
    ];
    await expect(bus.request('@agent', 'x')).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
    await expect.poll(() => failures.length, WAIT).toBe(6);
    const shown = failures.map(({ error, id, ...at }) => ({
      ...at,
      code: error.code,
      id: at.kind === 'request' ? '' : id,
    }));
    const common = { code: 'HANDLER_FAILED', attempt: 1 };
    const jobs = { ...common, kind: 'task', queue: 'jobs', place: 'tasks of jobs', id: task.id };
    expect(shown.toSorted((a, b) => (a.place + a.attempt < b.place + b.attempt ? -1 : 1))).toEqual([
      { ...common, kind: 'message', agent: '@agent', place: 'inbox @agent', id: mail.id },
      {
        ...common,
        kind: 'request',
        agent: '@agent',
        type: 'x',
        place: 'request x of @agent',
        id: '',
        code: 'INTERNAL',
      },
      { ...common, kind: 'event', subscription: 'kept', place: 'subscription kept', id: kept.id },
      { ...common, kind: 'event', subscription: 'live.*', isLive: true, place: 'subscription live.*', id: live.id },
      jobs,
      { ...jobs, attempt: 2 },
    ]);
  });

  it('gets what a handler reports without await, after its requester has left', async () => {
    const rejections = listenForRejections();
    const bus = await open({ onError: () => undefined });
    const agent = await bus.agent('agent');
    const { promise: over, resolve } = Promise.withResolvers<void>();
    agent.handle('chatty', async (_, ctx) => {
      await new Promise((fired) => ctx.signal.addEventListener('abort', fired));
      await new Promise((later) => setTimeout(later, 20));
      void ctx.progress(1);
      void ctx.reply(2);
      await new Promise((later) => setTimeout(later, 20));
      resolve();
    });
    await expect(bus.request('agent', 'chatty', null, { timeoutMs: 30 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    await over;
    expect(rejections).toEqual([]);
  });
});

describe('texts of errors', () => {
  it('are cut where they are received', () => {
    const long = 'x'.repeat(12_000);
    const record = readFailureRecord({ name: long, message: long, code: long, hint: 5 });
    expect([record.name.length, record.message.length, record.code?.length, record.hint]).toEqual([
      2000,
      2000,
      2000,
      undefined,
    ]);
    expect(readFailureRecord(undefined)).toEqual({ name: 'Error', message: 'unknown' });
    expect(fromFailureRecord(readFailureRecord({ name: 7, message: ['no'] }))).toMatchObject({ message: 'unknown' });
  });

  it('are cut between characters', () => {
    expect(cutText(`${'x'.repeat(1996)}😀😀😀`)).toBe(`${'x'.repeat(1996)}\ufffd...`);
    expect(cutText('half \ud83d')).toBe('half \ufffd');
  });

  it('have the name, or the code of a value that is no error', () => {
    expect(sayThrown(new RangeError('too far'))).toBe('RangeError: too far');
    expect(sayThrown({ code: 'E1', message: 'no' })).toBe('E1: no');
    expect(sayThrown(Object.assign(new Error(''), { name: '' }))).toBe('Error');
    expect(toFailureRecord(Object.assign(new Error('no'), { code: 'ENOENT' }))).toEqual({
      name: 'Error',
      message: 'no',
      code: 'ENOENT',
    });
    expect(sayThrown(Object.assign(new Error('duplicate key'), { code: '23505' }))).toBe('23505: duplicate key');
    expect(sayThrown(Object.assign(new RangeError('no space'), { code: 28 }))).toBe('RangeError: 28: no space');
    expect(sayThrown(Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' }))).toBe(
      'Error: ENOENT: no such file',
    );
    expect(sayThrown(Object.assign(new Error(''), { code: 'E1' }))).toBe('E1');
    expect(sayThrown({ code: 404, message: 'no rows' })).toBe('404: no rows');
    expect(sayThrown(AbortSignal.abort().reason)).toBe('AbortError: This operation was aborted');
    expect(textOf(Object.assign(new Error('duplicate key'), { code: '23505' }))).toBe('23505: duplicate key');
    expect(textOf(new BusbarError('CONFLICT', 'busy'))).toBe('busy');
    expect(toFailureRecord({ code: 404, message: 'no rows' })).toEqual({
      name: 'Error',
      message: 'no rows',
      code: '404',
    });
    expect(readThrown(new RejectError('bad', { cause: new Error('inner') })).message).toBe('bad');
    expect(readThrown(new Error('outer', { cause: new Error('inner') })).message).toBe('outer: inner');
  });

  it('have the causes as far as they can be read', () => {
    const chain = (depth: number): Error =>
      depth === 0 ? new Error('end') : new Error(`level ${depth}`, { cause: chain(depth - 1) });
    expect(sayThrown(chain(20))).toBe('Error: level 20: level 19: level 18: level 17: level 16: level 15');
    for (const [cause, text] of [
      ['a text', 'x: a text'],
      [5, 'x: 5'],
      [null, 'x'],
      [{ status: 503 }, 'x: {"status":503}'],
      [{ code: 404, message: 'no rows' }, 'x: 404: no rows'],
      [Object.assign(new Error('taken'), { code: '23505' }), 'x: 23505: taken'],
      [new BusbarError('CONFLICT', 'busy', { cause: new Error('hidden') }), 'x: CONFLICT: busy'],
      [new Error('cut '.repeat(1000)), `${`x: ${'cut '.repeat(1000)}`.slice(0, 1997)}...`],
    ] as const)
      expect(textOf(new Error('x', { cause }))).toBe(text);
    const parts = [Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), { code: 7, message: 'no' }, 'text'];
    expect(textOf(new AggregateError(parts, 'all'))).toBe('all: ECONNREFUSED: refused; 7: no; text');
  });
});

it('a RejectError of another copy of the package is known', async () => {
  vi.resetModules();
  const copy = await import('../../src/index.ts');
  expect(copy.RejectError).not.toBe(RejectError);
  const errors: BusbarError[] = [];
  const bus = await open({ onError: ({ error }) => void errors.push(error) });
  await bus.process('jobs', () => {
    throw new copy.RejectError('for good');
  });
  const task = await bus.enqueue('jobs');
  await expect(task.result()).rejects.toMatchObject({ code: 'HANDLER_FAILED', message: /for good/ });
  expect(errors).toHaveLength(1);
});

it('what ends by the close of its own bus is not reported', async () => {
  const reports: BusbarError[] = [];
  const transport = await openMemory();
  const bus = openBus(transport, { presenceTtlMs: 100, onError: ({ error }) => void reports.push(error) });
  await bus.agent('@worker');
  const touch = vi.spyOn(transport.kv, 'touch');
  const { promise, reject } = Promise.withResolvers<never>();
  touch.mockReturnValue(promise);
  await expect.poll(() => touch.mock.calls.length, WAIT).toBeGreaterThan(0);
  const closing = bus.close();
  reject(new BusbarError('CLOSED', 'the transport was closed'));
  await closing;
  expect(reports).toEqual([]);
});
