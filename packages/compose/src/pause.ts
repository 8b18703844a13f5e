/** Waits for a time, or until a signal fires. */

/** With `keepsAlive` the process stays alive meanwhile. */
export async function pause(ms: number, signal: AbortSignal, keepsAlive = true): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (!keepsAlive) timer.unref();
    signal.addEventListener('abort', end);
  });
}
