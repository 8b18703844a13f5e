/** The file that editors merge results into, guarded by fencing tokens. */

import { appendFile, open } from 'node:fs/promises';
import type { AuditResult } from '../processes/process-event.ts';

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
  // The break in front ends what a writer left that was killed in the middle of a line.
  await appendFile(path, `\n${JSON.stringify(line)}\n`);
}

/** Reads what was merged; nothing where there is no file. */
export async function readResults(path: string): Promise<Merged> {
  const results = new Map<string, AuditResult>();
  let highest = 0;
  let again = 0;
  let stale = 0;
  for await (const { token, results: merged } of readLines(path)) {
    if (token < highest) {
      stale += 1;
      continue;
    }
    highest = token;
    for (const result of merged) {
      if (results.has(result.id)) again += 1;
      else results.set(result.id, result);
    }
  }
  return { results, again, stale };
}

async function* readLines(path: string): AsyncIterable<Line> {
  await using file = await open(path, 'a+');
  for await (const text of file.readLines()) {
    const line = text === '' ? undefined : parse(text);
    if (line !== undefined) yield line;
  }
}

/** The line; undefined for half a line, whose results were not acked and came again. */
function parse(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return undefined;
  }
}
