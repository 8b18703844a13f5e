// Failures that no caller waits for: said once per place without a listener, and never by ending the process.
import { type Bus, BusbarError, openBus } from '@busbar/api';
import { openMemory } from '@busbar/transport-memory';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { fromFailureRecord, RejectError, readFailureRecord, toFailureRecord } from '../../src/bus/consuming/failure.ts';
import { cutText, readThrown, sayThrown } from '../../src/contract/thrown.ts';

async function open(options?: Parameters<typeof openBus>[1]): Promise<Bus> {
  const bus = openBus(await openMemory(), options);
  onTestFinished(() => bus.close({ drainMs: 0 }));
  return bus;
}

/** What is written to the console until the test ends. */
function listen(): string[] {
  const lines: string[] = [];
  vi.spyOn(console, 'error').mockImplementation((line: unknown) => void lines.push(String(line)));
  return lines;
}

function listenForRejections(): unknown[] {
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  return rejections;
}

describe('without onError', () => {
  it('the first failure of each place is printed on one line', async () => {
    const lines = listen();
    const bus = await open();
    let runs = 0;
    const fail = (): never => {
      runs += 1;
      throw new Error('first line\nsecond\u001b[31mline');
    };
    await bus.process('jobs', fail, { maxAttempts: 3, retry: { baseMs: 0 } });
    await bus.subscribe('news', fail);
    await bus.enqueueAll('jobs', [1, 2]);
    await bus.publish('news');
    await bus.publish('news');
    await expect.poll(() => runs).toBe(8);
    expect(lines.toSorted()).toEqual([
      expect.stringMatching(/^busbar: subscription news: .*first line second \[31mline.* pass onError/),
      expect.stringMatching(/^busbar: tasks of jobs: .*first line second \[31mline.* pass onError/),
    ]);
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
      onError: async (error) => {
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
    expect(readThrown(new RejectError('bad', { cause: new Error('inner') })).message).toBe('bad');
    expect(readThrown(new Error('outer', { cause: new Error('inner') })).message).toBe('outer: inner');
  });
});

it('a RejectError of another copy of the package is known', async () => {
  vi.resetModules();
  const copy = await import('../../src/index.ts');
  expect(copy.RejectError).not.toBe(RejectError);
  const errors: BusbarError[] = [];
  const bus = await open({ onError: (error) => void errors.push(error) });
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
  const bus = openBus(transport, { presenceTtlMs: 100, onError: (error) => void reports.push(error) });
  await bus.agent('@worker');
  const touch = vi.spyOn(transport.kv, 'touch');
  const { promise, reject } = Promise.withResolvers<never>();
  touch.mockReturnValue(promise);
  await expect.poll(() => touch.mock.calls.length).toBeGreaterThan(0);
  const closing = bus.close();
  reject(new BusbarError('CLOSED', 'the transport was closed'));
  await closing;
  expect(reports).toEqual([]);
});
