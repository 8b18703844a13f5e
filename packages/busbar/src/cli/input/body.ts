/** Bodies as a shell gives them: an argument, or what is piped in. */

import { fstatSync } from 'node:fs';
import { BusbarError, invalid } from '@busbar/api/transport';
import type { Output } from '../output/output.ts';

/** For the notes of verbs that take a body. */
export const BODY_NOTE =
  'BODY is JSON where it parses as JSON, else text; --text takes it as text whatever it is. Without BODY, or with -, it is read from a pipe.';

/** How a body is read. */
export interface BodyOptions {
  /** Take it as text, whatever it looks like. */
  readonly text: boolean;
  /** Whether there may be none. */
  readonly optional: boolean;
  readonly signal: AbortSignal;
  readonly out: Output;
}

const MAX_STDIN_BYTES = 64 * 1024 * 1024;
const PATIENCE_MS = 1_000;

/** The body that `argument` is, or that stdin holds where it is `-` or absent; undefined where there is none. */
export async function readBody(argument: string | undefined, options: BodyOptions): Promise<unknown> {
  if (argument !== undefined && argument !== '-') return toBody(argument, options.text);
  const hasInput = argument === '-' || isPiped();
  const input = hasInput ? await readStdin(options) : '';
  if (input !== '') return toBody(options.text ? input : input.replace(/\r?\n$/, ''), options.text);
  if (options.optional && argument === undefined) return undefined;
  throw invalid('there is no body', 'Give it as an argument, or pipe it in.');
}

/** JSON where it is JSON, else text. An object that does not parse is a slip, not a text. */
function toBody(text: string, asText: boolean): unknown {
  if (asText) return checkWellFormed(text);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (!/^\s*\{/.test(text)) return checkWellFormed(text);
    const reason = (error as Error).message.split('\n')[0] ?? '';
    throw invalid(`the body begins like JSON and is none: ${reason}`, 'Mend it, or send it as it is with --text.');
  }
}

function checkWellFormed(text: string): string {
  // An argument that is no UTF-8 reaches us with the replacement character in it.
  if (text.isWellFormed()) return text;
  throw invalid('the body is no well-formed text', 'Send bytes as base64 in JSON.');
}

/** Whether somebody pipes something in. A terminal and /dev/null are nobody. */
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
    if (bytes === 0) out.note('busbar: waiting for something on stdin; end it with Ctrl-D, or add < /dev/null');
  }, PATIENCE_MS);
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

/** The chunks of stdin until it ends or `signal` fires, which rejects with ABORTED. Nothing holds the process after that. */
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
    throw invalid('stdin is no UTF-8', 'Send bytes as base64 in JSON.');
  }
}

function tooLarge(): BusbarError {
  return new BusbarError('PAYLOAD_TOO_LARGE', 'stdin holds more than 64 MiB', {
    hint: 'Send where it is, not what it is.',
  });
}
