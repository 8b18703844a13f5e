/** Output: data goes to stdout, everything else to stderr. A closed pipe is not an error. */

import { fstatSync } from 'node:fs';
import type { WriteStream } from 'node:tty';
import { BusbarError } from '@busbar/api/transport';
import type { Environment } from '../../config/locate-bus.ts';
import { printableLine, toJsonLine } from './printable.ts';

type Stream = NodeJS.WriteStream | WriteStream;
/** A style of text on a terminal. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

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
  readonly #hasColor: (stream: Stream) => boolean;
  #isLive = false;

  constructor({ json, quiet, color, env }: OutputOptions) {
    this.json = json;
    this.quiet = quiet;
    this.#hasColor = (stream) => color ?? hasColor(stream, env);
  }

  // Node creates a stream at its first use.
  get #stdout(): Stream {
    return tolerant(process.stdout);
  }

  get #stderr(): Stream {
    return tolerant(process.stderr);
  }

  /** True if stdout is a terminal. */
  get isTerminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  /** True if stdout is a file. It keeps what a command without a parent process prints. */
  get isFile(): boolean {
    return fstatSync(1).isFile();
  }

  /** Writes lines over what the terminal shows, as many as it has room for. */
  screen(lines: readonly string[]): Promise<void> {
    const stdout = this.#stdout;
    const rows = (stdout.rows || 24) - 1;
    const shown =
      lines.length > rows ? [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`] : lines;
    return write(stdout, `\u001b[H${shown.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`);
  }

  /** Columns of the terminal; unlimited without one. */
  get width(): number {
    return this.isTerminal ? (this.#stdout.columns ?? 80) : Number.POSITIVE_INFINITY;
  }

  /** Writes lines of text. Resolves once they are written; rejects with {@link ReaderGone}. */
  lines(lines: readonly string[]): Promise<void> {
    this.#endLive();
    return lines.length === 0 ? Promise.resolve() : write(this.#stdout, `${lines.join('\n')}\n`);
  }

  /** Writes lines of JSON. */
  jsonLines(values: readonly unknown[]): Promise<void> {
    return this.lines(values.map(toJsonLine));
  }

  /** Prints a remark in one line on stderr, unless `--quiet` or `--json` is given. */
  note(text: string): void {
    if (this.quiet || this.json) return;
    this.#endLive();
    this.#stderr.write(`${printableLine(text, MAX_REMARK)}\n`);
  }

  /** Changes the last line of stderr, on a terminal only and unless `--quiet` or `--json` is given. */
  live(text: string): void {
    const stderr = this.#stderr;
    if (this.quiet || this.json || stderr.isTTY !== true) return;
    stderr.write(`\r\u001b[2K${printableLine(text, (stderr.columns || 80) - 1)}`);
    this.#isLive = true;
  }

  /** Prints a warning in one line on stderr, also with `--quiet`. */
  warn(text: string): void {
    this.#endLive();
    this.#stderr.write(`busbar: ${printableLine(text, MAX_REMARK)}\n`);
  }

  /** Writes lines to stderr. */
  errorLines(lines: readonly string[]): void {
    this.#endLive();
    this.#stderr.write(`${lines.join('\n')}\n`);
  }

  /** `text` in a style, if stdout has colours. */
  paint(style: Style, text: string): string {
    return this.#paint(this.#stdout, style, text);
  }

  /** `text` in a style, if stderr has colours. */
  paintError(style: Style, text: string): string {
    return this.#paint(this.#stderr, style, text);
  }

  #endLive(): void {
    if (this.#isLive) this.#stderr.write('\r\u001b[2K');
    this.#isLive = false;
  }

  #paint(stream: Stream, style: Style, text: string): string {
    const [on, off] = STYLES[style];
    return this.#hasColor(stream) ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  }
}

function hasColor(stream: Stream, env: Environment): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== '0';
  return stream.isTTY === true && env.TERM !== 'dumb';
}

/** The write rejects by itself; without a listener the process would also end with a stack trace. */
function tolerant(stream: Stream): Stream {
  if (stream.listenerCount('error') === 0) stream.on('error', () => undefined);
  return stream;
}

function write(stream: Stream, data: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => {
      if (error == null) resolve();
      else reject((error as NodeJS.ErrnoException).code === 'EPIPE' ? new ReaderGone() : cannotWrite(error));
    });
  });
}

function cannotWrite(error: Error): BusbarError {
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  return new BusbarError('INTERNAL', `cannot write the output: ${code}`, {
    hint: 'Check where stdout is redirected to.',
    cause: error,
  });
}
