// A request that is cancelled before its operation begins.
import { BusbarError } from '@busbar/api/transport';
import { expect, test } from 'vitest';
import { CancellationToken } from '../../src/hub/cancellation-token.ts';

const reason = new BusbarError('ABORTED', 'the client no longer waits');

test('the signal of a request that was cancelled while it waited for room is aborted', () => {
  const token = new CancellationToken();
  expect(token.isObserved).toBe(false);
  token.cancel(reason);
  expect(token.signal.aborted).toBe(true);
  expect(token.signal.reason).toBe(reason);
});

test('a signal that was read before is aborted by the cancellation, once', () => {
  const token = new CancellationToken();
  const { signal } = token;
  expect(signal.aborted).toBe(false);
  token.cancel(reason);
  token.cancel(new BusbarError('ABORTED', 'later'));
  expect(signal.reason).toBe(reason);
  expect(token.signal).toBe(signal);
});
