/** The work of a worker: what can be said of one source file. */

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Language, languageOf } from './language.ts';
import { type LongFunction, openFunctionMeter } from './longest-function.ts';
import { SourceStripper } from './strip-source.ts';

/** What was found out about one file. */
export type Audit = AuditedFile | SkippedFile;

export interface AuditedFile {
  readonly status: 'audited';
  readonly file: string;
  readonly bytes: number;
  readonly lines: number;
  /** Lines that hold a comment and no code. */
  readonly commentLines: number;
  /** TODO, FIXME, XXX and HACK in comments. */
  readonly todos: number;
  readonly longestFunction: LongFunction | undefined;
  readonly sha256: string;
}

export interface SkippedFile {
  readonly status: 'skipped';
  readonly file: string;
  readonly reason: string;
}

const MAX_BYTES = 10 * 1024 * 1024;
/** Characters after which others get their turn: who blocks its event loop for too long loses its leases. */
const PAUSE_EVERY = 256 * 1024;
const MARKS = /\b(?:TODO|FIXME|XXX|HACK)\b/g;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Audits the file at `path`, called `file` in the report. Never throws for what a file is or is not. */
export async function auditFile(path: string, file: string): Promise<Audit> {
  const bytes = await read(path);
  if (typeof bytes === 'string') return { status: 'skipped', file, reason: bytes };
  if (bytes.includes(0)) return { status: 'skipped', file, reason: 'binary' };
  const text = decode(bytes);
  if (text === undefined) return { status: 'skipped', file, reason: 'not UTF-8' };
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return {
    status: 'audited',
    file,
    bytes: bytes.length,
    ...(await auditText(text, languageOf(extname(file)))),
    sha256,
  };
}

async function auditText(
  text: string,
  language: Language,
): Promise<Omit<AuditedFile, 'status' | 'file' | 'bytes' | 'sha256'>> {
  const stripper = new SourceStripper(language);
  const functions = openFunctionMeter(language);
  let lines = 0;
  let commentLines = 0;
  let todos = 0;
  let sincePause = 0;
  for (const line of linesOf(text)) {
    const { code, comment } = stripper.strip(line);
    functions.add(code);
    lines += 1;
    if (comment.trim() !== '' && code.trim() === '') commentLines += 1;
    todos += comment.match(MARKS)?.length ?? 0;
    sincePause += line.length;
    if (sincePause > PAUSE_EVERY) {
      sincePause = 0;
      await setImmediate();
    }
  }
  return { lines, commentLines, todos, longestFunction: functions.longest() };
}

/** What ends with a line break has no empty line behind it. */
function* linesOf(text: string): Iterable<string> {
  for (let begin = 0; begin < text.length; ) {
    const end = text.indexOf('\n', begin);
    yield text.slice(begin, end < 0 ? text.length : end);
    begin = end < 0 ? text.length : end + 1;
  }
}

function decode(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The bytes of a regular file, or why there are none. A pipe is not waited for. */
async function read(path: string): Promise<Buffer | string> {
  try {
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    if (!stats.isFile()) return 'not a regular file';
    if (stats.size > MAX_BYTES) return `larger than ${MAX_BYTES / 1024 / 1024} MiB`;
    return await handle.readFile();
  } catch (error) {
    return `unreadable (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`;
  }
}
