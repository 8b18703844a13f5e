/** Prints an error: message and hint, or JSON with its code. The stack needs `BUSBAR_DEBUG`. */

import { type BusbarError, isBusbarError } from '@busbar/api/transport';
import { maskUrl } from '../../bus-url.ts';
import type { Environment } from '../../config/locate-bus.ts';
import { exitCodeOf } from './exit-codes.ts';
import type { Output } from './output.ts';
import { printableBlock, printableLine, toJsonLine } from './printable.ts';

const FAULT = 'This is probably a bug in busbar. BUSBAR_DEBUG=1 shows the stack.';
/** Texts may come from other processes. */
const MAX_TEXT = 2_000;
const MAX_STACK = 20_000;
const MAX_CAUSES = 10;

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly exitCode: number;
}

/** Writes `error` to stderr and returns the exit code. */
export function reportFailure(error: unknown, out: Output, env: Environment): number {
  const { code, message, hint, exitCode } = toFailure(error);
  const stack = isDebugging(env) ? foreignText(stackOf(error), MAX_STACK) : undefined;
  if (out.json) out.errorLines([toJsonLine({ error: { code, message, hint, stack } })]);
  else {
    const lines = [`${out.paintError('red', 'busbar:')} ${printableLine(message)}`];
    if (hint !== undefined) lines.push(`${out.paintError('dim', 'hint:')} ${printableLine(hint)}`);
    if (stack !== undefined) lines.push(out.paintError('dim', printableBlock(stack)));
    out.errorLines(lines);
  }
  return exitCode;
}

/** Text that another process may have written: without secrets, of bounded length. */
export function foreignText(text: string, max: number = MAX_TEXT): string {
  return boundedText(maskUrl(text), max);
}

/** The first part of a text of this program, which has no secrets. */
export function boundedText(text: string, max: number = MAX_TEXT): string {
  return text.length > max ? `${text.slice(0, max - 1).toWellFormed()}…` : text;
}

function toFailure(error: unknown): Failure {
  if (isBusbarError(error)) {
    const cause = error.code === 'HANDLER_FAILED' ? causeOf(error.cause, error.message) : undefined;
    return {
      code: error.code,
      message: foreignText(cause === undefined ? error.message : `${error.message}: ${cause}`),
      hint: hintOf(error),
      exitCode: exitCodeOf(error.code),
    };
  }
  return {
    code: 'INTERNAL',
    message: foreignText(error instanceof Error ? error.message : String(error)),
    hint: FAULT,
    exitCode: exitCodeOf('INTERNAL'),
  };
}

function hintOf({ code, hint }: BusbarError): string | undefined {
  // A hint has no URL of the user, but shows the form of one.
  if (hint !== undefined) return boundedText(hint);
  return code === 'INTERNAL' ? FAULT : undefined;
}

/** The first line of the remote handler's error, unless the message contains it. */
function causeOf(cause: unknown, message: string): string | undefined {
  if (!(cause instanceof Error)) return undefined;
  const [line = ''] = cause.message.split('\n', 1);
  return line === '' || message.includes(line) ? undefined : line;
}

function isDebugging(env: Environment): boolean {
  return env.BUSBAR_DEBUG !== undefined && env.BUSBAR_DEBUG !== '' && env.BUSBAR_DEBUG !== '0';
}

function stackOf(error: unknown): string {
  const stacks: string[] = [];
  for (
    let one = error;
    one !== undefined && stacks.length < MAX_CAUSES;
    one = one instanceof Error ? one.cause : undefined
  )
    stacks.push(one instanceof Error ? (one.stack ?? one.message) : String(one));
  return stacks.join('\ncaused by: ');
}
