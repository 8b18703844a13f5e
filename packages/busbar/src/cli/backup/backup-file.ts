/**
 * Backups: JSON lines of a whole bus. The first line names the format, the last one has the number of records. So a file that
 * was cut off is noticed.
 */

import { createReadStream } from 'node:fs';
import { TextDecoder } from 'node:util';
import { BusbarError, invalid, quote, type StateRecord } from '@busbar/api/transport';
import { stdinChunks } from '../input/body.ts';

const FORMAT = 1;
/** A body of a message as base64, and its fields. */
const MAX_LINE = 256 * 1024 * 1024;

/** The first line. */
export interface BackupHeader {
  readonly kind: 'busbar';
  readonly format: number;
  /** The backend, such as `sqlite`. */
  readonly from: string;
  /** When the export began, in ISO 8601. */
  readonly at: string;
}

/** The last line. */
export interface BackupEnd {
  readonly kind: 'end';
  readonly records: number;
}

/** The first line of a backup of the backend `from`. */
export function backupHeader(from: string): BackupHeader {
  return { kind: 'busbar', format: FORMAT, from, at: new Date().toISOString() };
}

/** Reads a backup from a file, or from stdin. */
export class BackupReader {
  readonly #chunks: AsyncIterable<Uint8Array>;
  readonly #what: string;
  /** The number of the last line that was read. */
  line = 0;
  /** How many records were read. */
  count = 0;

  constructor(file: string | undefined, signal: AbortSignal) {
    this.#what = file === undefined ? 'stdin' : quote(file);
    this.#chunks = file === undefined ? stdinChunks(signal) : createReadStream(file, { signal });
  }

  /** The records. Throws at a line that is none, and at the end of a backup that is not whole. */
  async *records(): AsyncGenerator<StateRecord> {
    let end: BackupEnd | undefined;
    for await (const text of this.#lines()) {
      this.line += 1;
      if (text.trim() === '') continue;
      const value = parse(text);
      if (this.line === 1) checkHeader(value, this.#what);
      else if (end !== undefined)
        throw invalid('there is more after the last line of the backup', 'Import one backup at a time.');
      else if (value.kind === 'end') end = value as BackupEnd;
      else {
        this.count += 1;
        yield value as StateRecord;
      }
    }
    if (end?.records !== this.count) throw this.#notWhole(end);
  }

  #notWhole(end: BackupEnd | undefined): BusbarError {
    const missing =
      end === undefined ? 'its last line is missing' : `${end.records} records are named, ${this.count} are there`;
    return invalid(
      `the backup in ${this.#what} is not whole: ${missing}`,
      'Its records were imported. Export again, and import the whole: a repeated import adds nothing twice.',
    );
  }

  async *#lines(): AsyncGenerator<string> {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    let rest = '';
    for await (const chunk of this.#chunks) {
      const lines = (rest + decode(decoder, chunk)).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MAX_LINE) throw invalid('a line is longer than 256 MiB', 'Check that this is a backup.');
      yield* lines;
    }
    rest += decode(decoder);
    if (rest !== '') yield rest;
  }
}

function decode(decoder: TextDecoder, chunk?: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined });
  } catch {
    throw invalid('the backup is not text in UTF-8', 'Unpack it first: gunzip -c backup.jsonl.gz | busbar import.');
  }
}

function parse(text: string): { readonly kind?: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // The error below says it.
  }
  throw invalid('not a JSON object', 'Import a file that busbar export wrote.');
}

function checkHeader(value: { readonly kind?: unknown; readonly format?: unknown }, what: string): void {
  if (value.kind !== 'busbar') throw invalid(`${what} is not a backup`, 'Import a file that busbar export wrote.');
  if (value.format === FORMAT) return;
  throw new BusbarError('CONFLICT', `the backup has format ${String(value.format)}, this version knows ${FORMAT}`, {
    hint: 'A newer version of Busbar wrote it: update this one.',
  });
}
