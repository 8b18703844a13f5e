/** Opens a connection to a server that may be away. */

import { isBusbarError } from '../contract/errors.ts';
import { keepAliveDuring } from './keep-alive.ts';

/** Pauses between attempts grow from the first to the last value. They are random, so that clients spread out. */
const FIRST_PAUSE_MS = 25;
const LAST_PAUSE_MS = 1_000;

/**
 * The result of `open`. While it rejects with a retryable UNAVAILABLE, it is called again until `waitForServerMs` is over; other
 * errors reject at once. It keeps the process alive meanwhile, since the sockets of a driver do not. Every opener of a
 * transport with a server uses it, with the option `waitForServerMs`.
 */
export function waitForServer<T>(open: () => Promise<T>, waitForServerMs: number): Promise<T> {
  return keepAliveDuring(openRepeatedly(open, waitForServerMs));
}

async function openRepeatedly<T>(open: () => Promise<T>, waitForServerMs: number): Promise<T> {
  const until = performance.now() + waitForServerMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LAST_PAUSE_MS, pauseMs * 2)) {
    try {
      return await open();
    } catch (error) {
      const leftMs = until - performance.now();
      const isAway = isBusbarError(error) && error.code === 'UNAVAILABLE' && error.retryable;
      if (!isAway || leftMs <= 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.min(leftMs, pauseMs * (0.5 + Math.random()))));
    }
  }
}
