/** Reads the body of a message from an argument or from stdin. */

import { fstatSync } from 'node:fs';
import { BusbarError, invalid } from '@busbar/api/transport';
import type { Output } from '../output/output.ts';

/** A note of every verb that takes a body. */
export const BODY_NOTE =
  'BODY is JSON if it parses as JSON, else text; with --text it is always text. Without BODY, or with -, it is read from a pipe.';

/** How to read a body. */
export interface BodyOptions {
  /** Never parse it as JSON. */
  readonly text: boolean;
  /** True if a body may be missing. */
  readonly optional: boolean;
  readonly signal: AbortSignal;
  readonly out: Output;
}

const MAX_STDIN_BYTES = 64 * 1024 * 1024;
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
    return JSON.parse(text) as unknown;
  } catch (error) {
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

/** True if stdin is a pipe, a file or a socket, but not a terminal or /dev/null. */
export function isPiped(): boolean {
  try {
    const stats = fstatSync(0);
    return stats.isFIFO() || stats.isFile() || stats.isSocket();
  } catch {
    return false;
  }
}

/** All of stdin as text. */
export async function readStdin({ signal, out }: Pick<BodyOptions, 'signal' | 'out'>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const hint = setTimeout(() => {
    if (bytes === 0) out.note('busbar: waiting for input on stdin; end it with Ctrl-D, or add < /dev/null');
  }, HINT_AFTER_MS);
  try {
    for await (const chunk of stdinChunks(signal)) {
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (bytes > MAX_STDIN_BYTES) throw tooLarge();
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
