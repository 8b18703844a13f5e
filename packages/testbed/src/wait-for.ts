// Waits for a condition instead of sleeping.
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

/** Options of {@link waitFor}. */
export interface WaitOptions {
  /** Text of the failure, for example "the message to arrive". */
  readonly what: string;
  /** Default 5,000. */
  readonly timeoutMs?: number;
}

const POLL_MS = 5;

/**
 * Polls every 5 ms and resolves with the first truthy result. A condition that throws counts as false; its last error
 * becomes the cause of the failure.
 */
export async function waitFor<T>(condition: () => T | Promise<T>, options: WaitOptions): Promise<NonNullable<T>> {
  const { what, timeoutMs = 5_000 } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask(condition);
    if ('value' in answer && answer.value) return answer.value;
    if (performance.now() >= deadline) throw failure(what, timeoutMs, answer);
    await sleep(POLL_MS);
  }
}

type Answer<T> = { value: T } | { error: unknown };

async function ask<T>(condition: () => T | Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await condition() };
  } catch (error) {
    return { error };
  }
}

function failure(what: string, timeoutMs: number, answer: Answer<unknown>): Error {
  if ('error' in answer) return new Error(`waited ${timeoutMs} ms for ${what}`, { cause: answer.error });
  return new Error(`waited ${timeoutMs} ms for ${what}; last answer: ${inspect(answer.value)}`);
}
