/** The file that editors merge results into, guarded by fencing tokens. */

import { appendFile, readFile } from 'node:fs/promises';
import type { AuditResult } from './news.ts';

/** One line of the file. */
interface Line {
  readonly token: number;
  readonly results: readonly AuditResult[];
}

/** What the file holds. */
export interface Merged {
  /** By message id: a task that was delivered again counts once. */
  readonly results: ReadonlyMap<string, AuditResult>;
  /** Results that were merged again, and counted once. */
  readonly again: number;
  /** Lines refused because a holder with a higher token had written before. */
  readonly stale: number;
}

/**
 * Appends results under a fencing token. The order of lines in the file is the truth: a line whose token is lower than one
 * before it was written by a holder that slept past its lease, and {@link readResults} refuses it. So a writer must
 * see that its lock still holds after this, and only then may it ack.
 */
export async function appendResults(path: string, token: number, results: readonly AuditResult[]): Promise<void> {
  const line: Line = { token, results };
  await appendFile(path, `${JSON.stringify(line)}\n`);
}

/** Reads what was merged. */
export async function readResults(path: string): Promise<Merged> {
  const results = new Map<string, AuditResult>();
  let highest = 0;
  let again = 0;
  let stale = 0;
  for (const line of parse(await readFile(path, 'utf8'))) {
    if (line.token < highest) {
      stale += 1;
      continue;
    }
    highest = line.token;
    for (const result of line.results) {
      if (results.has(result.id)) again += 1;
      else results.set(result.id, result);
    }
  }
  return { results, again, stale };
}

/** The whole lines; the last one may be half of what a killed editor wrote, and was not acked then. */
function* parse(text: string): Iterable<Line> {
  for (const line of text.split('\n').filter((line) => line !== '')) {
    try {
      yield JSON.parse(line) as Line;
    } catch {
      // Half a line: its results come again.
    }
  }
}
