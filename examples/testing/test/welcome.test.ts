/** Tests of `welcome.ts` with Vitest. */

import { fakeContext, fakeMessage, idle, testBus } from 'busbar/testing';
import { expect, test, vi } from 'vitest';
import { onSignUp, startWelcome } from '../welcome.ts';

const HOUR_MS = 3_600_000;

test('a user gets a reminder a day after the sign-up', async () => {
  await using bus = await testBus();
  const sendMail = vi.fn(async () => undefined);
  await startWelcome(bus, sendMail);
  await bus.publish('user.signed-up', { email: 'ada@example.org' });
  await bus.clock.advance(23 * HOUR_MS);
  expect(sendMail).not.toHaveBeenCalled();
  await bus.clock.advance(HOUR_MS);
  expect(sendMail).toHaveBeenCalledExactlyOnceWith('ada@example.org', 'Do you like it?');
});

test('a mail server that fails once only delays the reminder', async () => {
  await using bus = await testBus();
  const sendMail = vi.fn(async () => undefined).mockRejectedValueOnce(new Error('busy'));
  await startWelcome(bus, sendMail);
  await bus.publish('user.signed-up', { email: 'ada@example.org' });
  await bus.clock.advance(25 * HOUR_MS);
  await idle(bus);
  expect(sendMail).toHaveBeenCalledTimes(2);
  expect(bus.failures.map(({ kind, attempt }) => [kind, attempt])).toEqual([['task', 1]]);
});

test('a sign-up is handled once though the answer of the store was lost', async () => {
  await using bus = await testBus();
  const sendMail = vi.fn(async () => undefined);
  await startWelcome(bus, sendMail);
  bus.injectFailure({ on: 'enqueue', target: 'reminders', when: 'after' });
  await bus.publish('user.signed-up', { email: 'ada@example.org' });
  await bus.clock.advance(25 * HOUR_MS);
  expect(bus.sent.map(({ kind, target }) => `${kind} ${target}`)).toEqual([
    'publish user.signed-up',
    'enqueue reminders',
    'enqueue reminders',
  ]);
  expect(sendMail).toHaveBeenCalledOnce();
});

test('the handler of a sign-up, without a bus', async () => {
  const context = fakeContext();
  await onSignUp(fakeMessage({ email: 'ada@example.org' }), context);
  expect(context.sent).toMatchObject([{ kind: 'enqueue', target: 'reminders', body: 'ada@example.org' }]);
});
