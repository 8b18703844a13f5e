/** Tests of `welcome.ts` with the test runner of Node: `node --test`. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeContext, fakeMessage, idle, testBus } from 'busbar/testing';
import { onSignUp, startWelcome } from './welcome.ts';

const HOUR_MS = 3_600_000;

test('a user gets a reminder a day after the sign-up', async () => {
  await using bus = await testBus();
  const mails: string[] = [];
  await startWelcome(bus, async (to) => void mails.push(to));
  await bus.publish('user.signed-up', { email: 'ada@example.org' });
  await idle(bus);
  await bus.clock.advance(23 * HOUR_MS);
  assert.deepEqual(mails, []);
  await bus.clock.advance(HOUR_MS);
  assert.deepEqual(mails, ['ada@example.org']);
});

test('the handler of a sign-up, without a bus', async () => {
  const context = fakeContext();
  await onSignUp(fakeMessage({ email: 'ada@example.org' }), context);
  assert.deepEqual(
    context.sent.map(({ target, body }) => [target, body]),
    [['reminders', 'ada@example.org']],
  );
});
