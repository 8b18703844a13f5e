import { runCase } from '@busbar/conformance';
import { expect, test } from 'vitest';
import { stubCase, stubHarness } from './stub-harness.ts';

const never = new Promise<never>(() => undefined);

test('a case that asserts and ends passes', async () => {
  const result = await runCase(stubHarness(), stubCase(), { seed: 1 });
  expect(result).toMatchObject({ id: 'P1', status: 'passed', assertions: 1 });
  expect(result.reason).toBeUndefined();
});

test('a case without an assertion fails', async () => {
  const result = await runCase(stubHarness(), stubCase({ run: async () => undefined }), { seed: 1 });
  expect(result).toMatchObject({ status: 'failed', reason: 'the case made no assertion' });
});

test('an assertion that does not hold fails with its text', async () => {
  const run = stubCase({ run: async ({ check }) => check.equal([1], [2], 'the list') });
  expect(await runCase(stubHarness(), run, { seed: 1 })).toMatchObject({
    status: 'failed',
    reason: 'the list: expected [2], got [1]',
  });
});

test('a case that takes too long fails and is cleaned up', async () => {
  const stub = stubHarness();
  const result = await runCase(stub, stubCase({ timeoutMs: 50, run: () => never }), { seed: 1 });
  expect(result).toMatchObject({ status: 'failed', reason: 'the case did not end within 50 ms' });
  expect(stub).toMatchObject({ opened: 1, closed: 1, removed: 1 });
});

test('clients left open by a case are closed, and its store is removed', async () => {
  const stub = stubHarness();
  const steps: string[] = [];
  const run = stubCase({
    run: async (test) => {
      await test.open();
      await test.open();
      test.defer(() => void steps.push(`deferred, ${stub.closed} closed`));
      test.check.fail('on purpose');
    },
  });
  expect(await runCase(stub, run, { seed: 1 })).toMatchObject({ status: 'failed', reason: 'on purpose' });
  expect(stub).toMatchObject({ opened: 3, closed: 3, removed: 1 });
  expect(steps).toEqual(['deferred, 0 closed']);
});

test('a deferred step that fails makes the case fail', async () => {
  const run = stubCase({
    run: async (test) => {
      test.check.ok(true, 'holds');
      test.defer(() => Promise.reject(new Error('stuck')));
    },
  });
  expect(await runCase(stubHarness(), run, { seed: 1 })).toMatchObject({
    status: 'failed',
    reason: 'a deferred step after the case: stuck',
  });
});

test('an unhandled rejection fails the case that caused it, and no other', async () => {
  const guilty = stubCase({
    run: async ({ check }) => {
      check.ok(true, 'holds');
      setImmediate(() => void Promise.reject(new Error('forgotten')));
      await new Promise((resolve) => setTimeout(resolve, 10));
    },
  });
  const innocent = stubCase({
    run: async ({ check }) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      check.ok(true, 'holds');
    },
  });
  const listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  try {
    const [one, other] = await Promise.all(
      [guilty, innocent].map((subject) => runCase(stubHarness(), subject, { seed: 1 })),
    );
    expect(one).toMatchObject({ status: 'failed' });
    expect(one?.reason).toContain('forgotten');
    expect(other).toMatchObject({ status: 'passed' });
    expect(process.listenerCount('unhandledRejection')).toBe(0);
  } finally {
    for (const listener of listeners) process.on('unhandledRejection', listener);
  }
});

test('a store that does not open fails the case', async () => {
  const broken = { ...stubHarness(), store: () => Promise.reject(new Error('no room')) };
  const { status, reason } = await runCase(broken, stubCase(), { seed: 1 });
  expect(status).toBe('failed');
  expect(reason).toContain('no room');
});

test('the same seed gives the same numbers, another case others', async () => {
  const numbers: number[] = [];
  const subject = stubCase({
    run: async (test) => {
      numbers.push(test.random());
      test.check.ok(true, 'holds');
    },
  });
  await runCase(stubHarness(), subject, { seed: 7 });
  await runCase(stubHarness(), subject, { seed: 7 });
  await runCase(stubHarness(), { ...subject, id: 'P2' }, { seed: 7 });
  expect(numbers[0]).toBe(numbers[1]);
  expect(numbers[2]).not.toBe(numbers[0]);
});
