/** Waits for conditions with time limits, without fixed sleeps. */

import { setTimeout as pause } from 'node:timers/promises';
import { CheckFailed } from './check.ts';

/** The truthy values of a type. */
export type Truthy<T> = Exclude<T, false | 0 | '' | null | undefined>;

const POLL_MS = 10;

/** Resolves with the first truthy value of `condition`. Fails with `what` after `withinMs`. */
export async function until<T>(what: string, condition: () => T | Promise<T>, withinMs = 5_000): Promise<Truthy<T>> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const value = await condition();
    if (value) return value as Truthy<T>;
    if (performance.now() > deadline) throw new CheckFailed(`not within ${withinMs} ms: ${what}`);
    await pause(POLL_MS);
  }
}

/** Resolves as `work` does. Rejects with `text` after `ms`. */
export async function within<T>(ms: number, text: string, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new CheckFailed(text)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
