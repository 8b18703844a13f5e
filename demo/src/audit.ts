/** The work of a worker: what can be said of one source file. */

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import { type Language, languageOf } from './language.ts';
import { measureFunctions } from './longest-function.ts';
import { stripSource } from './strip-source.ts';

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
  readonly longestFunction: { readonly name: string; readonly line: number; readonly lines: number } | undefined;
  readonly sha256: string;
}

export interface SkippedFile {
  readonly status: 'skipped';
  readonly file: string;
  readonly reason: string;
}

const MAX_BYTES = 16 * 1024 * 1024;
const MARKS = /\b(?:TODO|FIXME|XXX|HACK)\b/g;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Audits the file at `path`, called `file` in the report. Never throws for what a file is or is not. */
export async function auditFile(path: string, file: string): Promise<Audit> {
  const bytes = await read(path);
  if (typeof bytes === 'string') return { status: 'skipped', file, reason: bytes };
  if (bytes.includes(0)) return { status: 'skipped', file, reason: 'binary' };
  try {
    return auditText(decoder.decode(bytes), bytes, file);
  } catch (error) {
    if (error instanceof TypeError) return { status: 'skipped', file, reason: 'not UTF-8' };
    throw error;
  }
}

function auditText(text: string, bytes: Buffer, file: string): AuditedFile {
  const language: Language = languageOf(extname(file));
  const { code, comments } = stripSource(text, language);
  const lines = text === '' ? 0 : text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  const codeLines = code.split('\n');
  const commentLines = comments
    .split('\n')
    .filter((line, index) => line.trim() !== '' && codeLines[index]?.trim() === '');
  return {
    status: 'audited',
    file,
    bytes: bytes.length,
    lines,
    commentLines: commentLines.length,
    todos: comments.match(MARKS)?.length ?? 0,
    longestFunction: measureFunctions(codeLines, language),
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
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
