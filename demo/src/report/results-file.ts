/** The file that editors merge results into, guarded by fencing tokens. */

import { appendFile, open } from 'node:fs/promises';
import type { AuditResult } from '../processes/process-event.ts';

/** One line of the file. */
interface ResultsLine {
  readonly token: number;
  readonly results: readonly AuditResult[];
}

/** The contents of the file. */
export interface MergedResults {
  /** By message id: a task that was delivered again counts once. */
  readonly results: ReadonlyMap<string, AuditResult>;
  /** Results that were merged again and counted once. */
  readonly again: number;
  /** Lines that were refused, since a holder with a higher token wrote before. */
  readonly stale: number;
}

/**
 * Appends results under a fencing token. {@link readResults} refuses a line whose token is lower than an earlier one: its
 * writer lost the lock before it wrote. So a writer must check that it still holds the lock after this, and ack only then.
 */
export async function appendResults(path: string, token: number, results: readonly AuditResult[]): Promise<void> {
  const line: ResultsLine = { token, results };
  // The first line break ends a line that a killed writer left incomplete.
  await appendFile(path, `\n${JSON.stringify(line)}\n`);
}

/** Reads the merged results; a missing file has none. */
export async function readResults(path: string): Promise<MergedResults> {
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

async function* readLines(path: string): AsyncIterable<ResultsLine> {
  await using file = await open(path, 'a+');
  for await (const text of file.readLines()) {
    const line = text === '' ? undefined : parse(text);
    if (line !== undefined) yield line;
  }
}

/** Undefined for an incomplete line; its results were not acked and were merged again. */
function parse(text: string): ResultsLine | undefined {
  try {
    return JSON.parse(text) as ResultsLine;
  } catch {
    return undefined;
  }
}
