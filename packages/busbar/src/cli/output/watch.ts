/** Output that is printed again and again, as `top` and `--watch` do. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from '../session.ts';

const EVERY_MS = 2_000;

/** The flag `--watch`. */
export const WATCH_FLAG = {
  watch: { kind: 'wait', help: 'print it again every 2 s, or every TIME, until Ctrl-C' },
} as const;

/** What one look found, for both kinds of output. */
export interface Shown {
  readonly values: readonly unknown[];
  lines(): readonly string[];
}

/** Prints what `look` finds: once, or every `everyMs` until the command is interrupted. Infinity stands for 2 s. */
export async function printWatched(
  session: Session,
  everyMs: number | undefined,
  look: () => Promise<Shown>,
): Promise<void> {
  const { out, signal } = session;
  if (everyMs === undefined) {
    const { values, lines } = await look();
    return out.json ? out.jsonLines(values) : out.lines(lines());
  }
  session.endWithReader();
  await session.untilBusExists();
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    const { values, lines } = await look();
    if (out.json) await out.jsonLines(values);
    else if (out.isTerminal) await out.screen(lines());
    else await out.lines(isFirst ? lines() : ['', ...lines()]);
    await sleep(Number.isFinite(everyMs) ? everyMs : EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}
