/** Output: data goes to stdout, everything else to stderr. A closed pipe is not an error. */

import { fstatSync, statSync, writeSync } from 'node:fs';
import { devNull } from 'node:os';
import type { WriteStream } from 'node:tty';
import { BusbarError } from '@busbar/api/transport';
import type { Environment } from '../../config/locate-bus.ts';
import { printableLine, toJsonLine } from './printable.ts';

type Stream = NodeJS.WriteStream | WriteStream;
type Descriptor = typeof STDOUT | typeof STDERR;
/** A style of text on a terminal. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

const STDOUT = 1;
const STDERR = 2;
/** How many more bytes are written at once. The smallest pipe of a system takes as many. */
const room = { [STDOUT]: 4096, [STDERR]: 4096 };

const STYLES: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** Remarks may contain text of other processes. */
const MAX_REMARK = 2_000;

/** Options of the output. */
export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  /** Undefined: decided by the environment and the terminal. */
  readonly color: boolean | undefined;
  readonly env: Environment;
}

/** A write to a closed pipe. */
export class ReaderGone extends Error {
  override readonly name = 'ReaderGone';
}

/** Ignores a closed pipe, so that the work goes on without its output. */
export async function unlessReaderGone(writing: Promise<void>): Promise<void> {
  try {
    await writing;
  } catch (error) {
    if (!(error instanceof ReaderGone)) throw error;
  }
}

/** The two streams of a command. */
export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly #hasColor: (file: Descriptor) => boolean;
  #isLive = false;

  constructor({ json, quiet, color, env }: OutputOptions) {
    this.json = json;
    this.quiet = quiet;
    this.#hasColor = (file) => color ?? hasColor(file, env);
  }

  /** True if stdout is a terminal. */
  get isTerminal(): boolean {
    return isTerminal(STDOUT);
  }

  /** True if stdout is a file. It keeps what a command without a parent process prints. */
  get isFile(): boolean {
    return fstatSync(STDOUT).isFile();
  }

  /** Writes lines over what the terminal shows, as many as it has room for. */
  screen(lines: readonly string[]): Promise<void> {
    const stdout = streamOf(STDOUT);
    const rows = (stdout.rows || 24) - 1;
    const shown =
      lines.length > rows ? [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`] : lines;
    return write(STDOUT, `\u001b[H${shown.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`);
  }

  /** Columns of the terminal; unlimited without one. */
  get width(): number {
    return this.isTerminal ? (streamOf(STDOUT).columns ?? 80) : Number.POSITIVE_INFINITY;
  }

  /** Writes lines of text. Resolves once they are written; rejects with {@link ReaderGone}. */
  lines(lines: readonly string[]): Promise<void> {
    this.#endLive();
    return lines.length === 0 ? Promise.resolve() : write(STDOUT, `${lines.join('\n')}\n`);
  }

  /** Writes lines of JSON. */
  jsonLines(values: readonly unknown[]): Promise<void> {
    return this.lines(values.map(toJsonLine));
  }

  /** Prints a remark in one line on stderr, unless `--quiet` or `--json` is given. */
  note(text: string): void {
    if (this.quiet || this.json) return;
    this.#endLive();
    this.#remark(`${printableLine(text, MAX_REMARK)}\n`);
  }

  /** Changes the last line of stderr, on a terminal only and unless `--quiet` or `--json` is given. */
  live(text: string): void {
    if (this.quiet || this.json || !isTerminal(STDERR)) return;
    const stderr = streamOf(STDERR);
    stderr.write(`\r\u001b[2K${printableLine(text, (stderr.columns || 80) - 1)}`);
    this.#isLive = true;
  }

  /** Prints a warning in one line on stderr, also with `--quiet`. */
  warn(text: string): void {
    this.#endLive();
    this.#remark(`busbar: ${printableLine(text, MAX_REMARK)}\n`);
  }

  /** Writes lines to stderr. */
  errorLines(lines: readonly string[]): void {
    this.#endLive();
    this.#remark(`${lines.join('\n')}\n`);
  }

  /** `text` in a style, if stdout has colours. */
  paint(style: Style, text: string): string {
    return this.#paint(STDOUT, style, text);
  }

  /** `text` in a style, if stderr has colours. */
  paintError(style: Style, text: string): string {
    return this.#paint(STDERR, style, text);
  }

  #endLive(): void {
    if (this.#isLive) this.#remark('\r\u001b[2K');
    this.#isLive = false;
  }

  /** Writes to stderr. That nobody reads it matters to nobody. */
  #remark(text: string): void {
    write(STDERR, text).catch(() => undefined);
  }

  #paint(file: Descriptor, style: Style, text: string): string {
    const [on, off] = STYLES[style];
    return this.#hasColor(file) ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  }
}

function hasColor(file: Descriptor, env: Environment): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== '0';
  return isTerminal(file) && env.TERM !== 'dumb';
}

function isTerminal(file: Descriptor): boolean {
  return mayBeTerminal(file) && streamOf(file).isTTY === true;
}

/** A terminal is a device. For all else no stream is needed, which takes 5 ms to load. */
function mayBeTerminal(file: Descriptor): boolean {
  try {
    const stats = fstatSync(file);
    return stats.isCharacterDevice() && stats.rdev !== statSync(devNull).rdev;
  } catch {
    return false;
  }
}

/** The write rejects by itself; without a listener the process would also end with a stack trace. */
function streamOf(file: Descriptor): Stream {
  const stream = file === STDOUT ? process.stdout : process.stderr;
  if (stream.listenerCount('error') === 0) stream.on('error', () => undefined);
  return stream;
}

/** The first bytes of a command go to a file or a pipe at once: no new pipe is full with them. The rest is left to a stream. */
async function write(file: Descriptor, text: string): Promise<void> {
  const data = Buffer.from(text);
  const isFirst = data.byteLength <= room[file] && !mayBeTerminal(file);
  room[file] = isFirst ? room[file] - data.byteLength : 0;
  const written = isFirst ? writeNow(file, data) : 0;
  if (written < data.byteLength) await writeStream(streamOf(file), data.subarray(written));
}

/** Returns how many bytes it has written: all, unless that would wait. */
function writeNow(file: Descriptor, data: Uint8Array): number {
  let written = 0;
  try {
    while (written < data.byteLength) written += writeSync(file, data, written);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw toWriteError(error as Error);
    room[file] = 0;
  }
  return written;
}

function writeStream(stream: Stream, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error == null ? resolve() : reject(toWriteError(error))));
  });
}

function toWriteError(error: Error): Error {
  return (error as NodeJS.ErrnoException).code === 'EPIPE' ? new ReaderGone() : cannotWrite(error);
}

function cannotWrite(error: Error): BusbarError {
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  return new BusbarError('INTERNAL', `cannot write the output: ${code}`, {
    hint: 'Check where stdout is redirected to.',
    cause: error,
  });
}
