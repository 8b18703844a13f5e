/** Output: data on stdout, everything else on stderr, and nothing that a reader who left could trip over. */

import type { WriteStream } from 'node:tty';
import { BusbarError } from '@busbar/api/transport';
import type { Environment } from '../../config/locate-bus.ts';
import { printable, toJsonLine } from './printable.ts';

type Stream = NodeJS.WriteStream | WriteStream;
type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

const STYLES: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** How a command writes. */
export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  /** False: never. Undefined: as the environment and the terminal have it. */
  readonly color: boolean | undefined;
  readonly env: Environment;
}

/** Rejection of a write whose reader has gone. */
export class ReaderGone extends Error {
  override readonly name = 'ReaderGone';
}

/** Lets `writing` be in vain where its reader has gone: what is being done matters more than what is printed of it. */
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

  constructor({ json, quiet, color, env }: OutputOptions) {
    this.json = json;
    this.quiet = quiet;
    this.#hasColor = (stream) => color ?? hasColor(stream, env);
  }

  // Node makes a stream when it is first asked for.
  get #stdout(): Stream {
    return tolerant(process.stdout);
  }

  get #stderr(): Stream {
    return tolerant(process.stderr);
  }

  /** True where a person looks at stdout. */
  get isTerminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  /** Columns of the terminal; without one lines are as long as they need to be. */
  get width(): number {
    return this.isTerminal ? (this.#stdout.columns ?? 80) : Number.POSITIVE_INFINITY;
  }

  /** Data as lines of text. Resolves once it is written; rejects with {@link ReaderGone}. */
  lines(lines: readonly string[]): Promise<void> {
    return lines.length === 0 ? Promise.resolve() : write(this.#stdout, `${lines.join('\n')}\n`);
  }

  /** Data as lines of JSON. */
  jsonLines(values: readonly unknown[]): Promise<void> {
    return this.lines(values.map(toJsonLine));
  }

  /** Data byte for byte. */
  raw(bytes: Uint8Array | string): Promise<void> {
    return write(this.#stdout, bytes);
  }

  /** Something to know that is no data. Silent with `--quiet` and under `--json`. */
  note(text: string): void {
    if (!this.quiet && !this.json) this.#stderr.write(`${printable(text)}\n`);
  }

  /** Something that went wrong with one item of many, or may go wrong. Not silenced. */
  warn(text: string): void {
    this.#stderr.write(`busbar: ${printable(text)}\n`);
  }

  /** Lines that are ready for stderr. */
  errorLines(lines: readonly string[]): void {
    this.#stderr.write(`${lines.join('\n')}\n`);
  }

  /** `text` in a style, where stdout has colours. */
  paint(style: Style, text: string): string {
    return this.#paint(this.#stdout, style, text);
  }

  /** `text` in a style, where stderr has colours. */
  paintError(style: Style, text: string): string {
    return this.#paint(this.#stderr, style, text);
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

/** The write itself rejects; without a listener the process would end with a stack trace besides. */
function tolerant(stream: Stream): Stream {
  if (stream.listenerCount('error') === 0) stream.on('error', () => undefined);
  return stream;
}

function write(stream: Stream, data: Uint8Array | string): Promise<void> {
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
    hint: 'See where stdout goes.',
    cause: error,
  });
}
