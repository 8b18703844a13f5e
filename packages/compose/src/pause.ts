/** Waits for a time, or until a signal fires. */

/** The longest time of a timer. */
const MAX_MS = 2 ** 31 - 1;

/** With `keepsAlive` the process stays alive meanwhile. It waits for 25 days at most. */
export async function pause(ms: number, signal: AbortSignal, keepsAlive = true): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, Math.min(ms, MAX_MS));
    if (!keepsAlive) timer.unref();
    signal.addEventListener('abort', end);
  });
}
