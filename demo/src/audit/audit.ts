/** The work of a worker: lines, bytes and hash of one file. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** What a worker found out about one file. */
export interface Audit {
  readonly file: string;
  readonly lines: number;
  readonly bytes: number;
  readonly sha256: string;
  /** Why the file could not be read; the counts are 0 then. */
  readonly problem?: string;
}

const LINE_BREAK = 10;

/** Audits the file at `path`, which the report calls `file`. An unreadable file is a result too. */
export async function auditFile(path: string, file: string): Promise<Audit> {
  try {
    const bytes = await readFile(path);
    return { file, lines: countLines(bytes), bytes: bytes.length, sha256: hash(bytes) };
  } catch (error) {
    const problem = `unreadable (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`;
    return { file, lines: 0, bytes: 0, sha256: '', problem };
  }
}

/** A last line without a line break counts too. */
function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(LINE_BREAK); at >= 0; at = bytes.indexOf(LINE_BREAK, at + 1)) lines += 1;
  return bytes.length > 0 && bytes.at(-1) !== LINE_BREAK ? lines + 1 : lines;
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
