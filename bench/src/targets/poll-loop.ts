/** A loop that takes messages while there are any, and then sleeps. */

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Stop } from '../client.ts';

const SLEEP_MS = 100;

/** Calls `take` until it is stopped; `take` resolves with false if there was nothing to take. */
export function poll(take: () => Promise<boolean>): Stop {
  let isStopped = false;
  const loop = async (): Promise<void> => {
    while (!isStopped) await ((await take()) ? nextTurn() : sleep(SLEEP_MS));
  };
  const ended = loop();
  return () => {
    isStopped = true;
    return ended;
  };
}
