/** Steps for requests. */

import type { Agent } from '@busbar/api';
import type { Message } from '@busbar/api/transport';
import type { TestContext } from '../context/test-context.ts';

/** Options of a request that must not end by its time-out. */
export const LONG_TIMEOUT = { timeoutMs: 25_000 } as const;

/** Opens a requester and a responder, each on its own bus. */
export async function openPair(test: TestContext): Promise<{ readonly requester: Agent; readonly service: Agent }> {
  return { requester: await test.agent('@requester'), service: await test.agent('@service') };
}

/** Resolves when `signal` fires. */
export function untilFired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** The first byte of the first reply to a call. */
export async function firstReply(replies: AsyncIterable<Message> | undefined): Promise<number | undefined> {
  for await (const { body } of replies ?? []) return body[0];
  return undefined;
}
