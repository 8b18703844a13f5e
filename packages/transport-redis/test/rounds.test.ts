/** Round trips: when half of the callers of a batch wait for the others. */

import { afterEach, expect, test, vi } from 'vitest';
import { Rounds } from '../src/connection/rounds.ts';

afterEach(() => void vi.restoreAllMocks());

/** Round trips on a clock of their own: what a round trip and the work of the callers before it take. */
function openRounds() {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const sent: PromiseWithResolvers<void>[] = [];
  const rounds = new Rounds((works) => {
    for (const work of works) work();
    const answer = Promise.withResolvers<void>();
    sent.push(answer);
    return answer.promise;
  });
  const begin = async (workMs: number): Promise<void> => {
    now += workMs;
    await new Promise<void>((resolve) => rounds.add(resolve));
  };
  const answer = async (tripMs: number): Promise<void> => {
    now += tripMs;
    sent.shift()?.resolve();
    await Promise.resolve();
  };
  return { rounds, begin, answer };
}

test('half of the callers wait if the server would wait for all of them', async () => {
  const { rounds, begin, answer } = openRounds();
  await begin(2);
  await answer(1);
  expect(rounds.stagger(64)).toBeInstanceOf(Promise);
  expect(rounds.stagger(31)).toBeUndefined();
});

test('none waits while another round trip is open, or if the server needs longer than the callers', async () => {
  const { rounds, begin, answer } = openRounds();
  await begin(2);
  await begin(0);
  await answer(1);
  expect(rounds.stagger(64)).toBeUndefined();
  await answer(0);
  expect(rounds.stagger(64)).toBeInstanceOf(Promise);
  await begin(2);
  await answer(3);
  expect(rounds.stagger(64)).toBeUndefined();
});
