/** Reads stdin: the body of a message, unless it is an argument, or lines. */

import { fstatSync } from 'node:fs';
import { BusbarError, invalid } from '@busbar/api/transport';
import { parseBody } from '../exact-json.ts';
import type { Output } from '../output/output.ts';

/** A note of every verb that takes a body. */
export const BODY_NOTE =
  'BODY is JSON if it parses as JSON, else text; with --text it is always text. Without BODY, or with -, it is read from a pipe.';

/** A note of every verb with `--jsonl`. */
export const LINES_NOTE =
  'The keys of a line are the names of flags, and flags are the defaults of lines. A bad line is reported by its number; the others are handled, and the exit code is 2.';

/** How to read a body. */
export interface BodyOptions {
  /** Never parse it as JSON. */
  readonly text: boolean;
  /** True if a body may be missing. */
  readonly optional: boolean;
  readonly signal: AbortSignal;
  readonly out: Output;
}

/** Of a body, or of one line. */
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_LINES = 500;
const HINT_AFTER_MS = 1_000;

/** The body in `argument`; from stdin if `argument` is `-` or missing; undefined without a body. */
export async function readBody(argument: string | undefined, options: BodyOptions): Promise<unknown> {
  if (argument !== undefined && argument !== '-') return toBody(argument, options.text);
  const hasInput = argument === '-' || isPiped();
  const input = hasInput ? await readStdin(options) : '';
  if (input !== '') return toBody(options.text ? input : input.replace(/\r?\n$/, ''), options.text);
  if (options.optional && argument === undefined) return undefined;
  throw invalid('the body is missing', 'Give it as an argument or through a pipe.');
}

/** JSON if it parses, else text. Text that starts like an object must parse. */
function toBody(text: string, asText: boolean): unknown {
  if (asText) return checkWellFormed(text);
  try {
    return parseBody(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    if (!/^\s*\{/.test(text)) return checkWellFormed(text);
    const reason = (error as Error).message.split('\n')[0] ?? '';
    throw invalid(
      `the body starts like JSON but does not parse: ${reason}`,
      'Correct it, or send it as text with --text.',
    );
  }
}

function checkWellFormed(text: string): string {
  // Node replaces invalid UTF-8 in an argument with the replacement character.
  if (text.isWellFormed()) return text;
  throw invalid('the body is not well-formed text', 'Send bytes as base64 in JSON.');
}

interface StdinOptions extends Pick<BodyOptions, 'signal'> {
  readonly out?: BodyOptions['out'];
}

/** True if stdin is a pipe, a file or a socket, but not a terminal or /dev/null. */
export function isPiped(): boolean {
  try {
    const stats = fstatSync(0);
    return stats.isFIFO() || stats.isFile() || stats.isSocket();
  } catch {
    return false;
  }
}

/** All of stdin as text. With `out` it says so when it waits. */
export async function readStdin({ signal, out }: StdinOptions): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const hint = setTimeout(() => {
    if (bytes === 0) out?.note('busbar: waiting for input on stdin; end it with Ctrl-D, or add < /dev/null');
  }, HINT_AFTER_MS);
  try {
    for await (const chunk of stdinChunks(signal)) {
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (bytes > MAX_BYTES) throw tooLarge();
    }
  } finally {
    clearTimeout(hint);
  }
  return decode(Buffer.concat(chunks));
}

/** The chunks of stdin until it ends. Rejects with ABORTED when `signal` fires. Stdin is closed afterwards. */
export async function* stdinChunks(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { stdin } = process;
  const stop = (): void => void stdin.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of stdin) yield chunk as Uint8Array;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    stdin.destroy();
  }
  if (signal.aborted) throw new BusbarError('ABORTED', 'interrupted');
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    throw invalid('stdin is not UTF-8', 'Send bytes as base64 in JSON.');
  }
}

function tooLarge(): BusbarError {
  return new BusbarError('PAYLOAD_TOO_LARGE', 'stdin has more than 64 MiB', {
    hint: 'Send a path or URL instead of the contents.',
  });
}

/** The lines of stdin, up to 500 at a time. The last one may lack its line break. */
export async function* readLines(signal: AbortSignal): AsyncGenerator<readonly string[]> {
  // Invalid UTF-8 becomes replacement characters, so one bad line does not stop the others.
  const decoder = new TextDecoder('utf-8');
  let rest = '';
  for await (const chunk of stdinChunks(signal)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_BYTES) throw tooLong();
    for (let start = 0; start < lines.length; start += MAX_LINES) yield lines.slice(start, start + MAX_LINES);
  }
  rest += decoder.decode();
  if (rest !== '') yield [rest];
}

function tooLong(): BusbarError {
  return new BusbarError('PAYLOAD_TOO_LARGE', 'a line of stdin is longer than 64 MiB', {
    hint: 'Check that the input has line breaks.',
  });
}
