/** Prints an error: message and hint, or JSON with its code. The stack needs `BUSBAR_DEBUG`. */

import { type BusbarError, isBusbarError } from '@busbar/api/transport';
import { maskUrl } from '../../bus-url.ts';
import type { Environment } from '../../config/locate-bus.ts';
import { exitCodeOf } from './exit-codes.ts';
import type { Output } from './output.ts';
import { printable, toJsonLine } from './printable.ts';

const FAULT = 'This is probably a bug in busbar. BUSBAR_DEBUG=1 shows the stack.';

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly exitCode: number;
}

/** Writes `error` to stderr and returns the exit code. */
export function reportFailure(error: unknown, out: Output, env: Environment): number {
  const { code, message, hint, exitCode } = toFailure(error);
  if (out.json) out.errorLines([toJsonLine({ error: { code, message, hint } })]);
  else {
    const lines = [`${out.paintError('red', 'busbar:')} ${printable(message)}`];
    if (hint !== undefined) lines.push(`${out.paintError('dim', 'hint:')} ${printable(hint)}`);
    out.errorLines(lines);
  }
  if (isDebugging(env)) out.errorLines([stackOf(error)]);
  return exitCode;
}

function toFailure(error: unknown): Failure {
  if (isBusbarError(error)) {
    const cause = error.code === 'HANDLER_FAILED' ? causeOf(error.cause, error.message) : undefined;
    return {
      code: error.code,
      message: maskUrl(cause === undefined ? error.message : `${error.message}: ${cause}`),
      hint: hintOf(error),
      exitCode: exitCodeOf(error.code),
    };
  }
  return {
    code: 'INTERNAL',
    message: maskUrl(error instanceof Error ? error.message : String(error)),
    hint: FAULT,
    exitCode: exitCodeOf('INTERNAL'),
  };
}

function hintOf({ code, hint }: BusbarError): string | undefined {
  if (hint !== undefined) return maskUrl(hint);
  return code === 'INTERNAL' ? FAULT : undefined;
}

/** The first line of the remote handler's error, unless the message contains it. */
function causeOf(cause: unknown, message: string): string | undefined {
  if (!(cause instanceof Error)) return undefined;
  const [line = ''] = cause.message.split('\n');
  return line === '' || message.includes(line) ? undefined : line;
}

function isDebugging(env: Environment): boolean {
  return env.BUSBAR_DEBUG !== undefined && env.BUSBAR_DEBUG !== '' && env.BUSBAR_DEBUG !== '0';
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return maskUrl(error.cause === undefined ? own : `${own}\ncaused by: ${stackOf(error.cause)}`);
}
