/** Runs a call for each line of stdin, in batches, and prints the results. */

import { isBusbarError } from '@busbar/api/transport';
import { readLines } from '../input/body.ts';
import { withShellHint } from '../mail/mailbox.ts';
import { DONE, exitCodeOf, NOT_FOUND, REFUSED, USAGE } from '../output/exit-codes.ts';
import { foreignText } from '../output/failure.ts';
import { type Output, unlessReaderGone } from '../output/output.ts';
import { toJsonLine } from '../output/printable.ts';
import type { Session } from '../session.ts';

/** The result of a line: its id, and the other fields for JSON. */
export interface LineOutput {
  readonly id: string;
}

/** Calls of one transaction. */
const BATCH = 500;

type LineResult = { readonly sent: LineOutput } | { readonly error: unknown };

/** Calls `run` for each line, prints an id for each, and resolves to the exit code: 2 after a bad line. */
export async function runLines(session: Session, run: (line: string) => Promise<LineOutput>): Promise<number> {
  const { out, signal } = session;
  let code = DONE;
  let number = 0;
  for await (const lines of readLines(signal)) {
    // Calls of the same turn share a transaction.
    const running = lines.map((line) => (line.trim() === '' ? undefined : runLine(line, run)));
    const settled = await Promise.all(running);
    const first = number + 1;
    number += lines.length;
    await unlessReaderGone(printAll(out, settled, first));
    for (const [index, one] of settled.entries()) {
      if (one !== undefined && 'error' in one) code = worse(code, reportLine(out, first + index, one.error));
    }
  }
  return code;
}

/** Calls `run` `count` times, prints an id for each, and resolves to the exit code. */
export async function runTimes(session: Session, count: number, run: () => Promise<LineOutput>): Promise<number> {
  for (let done = 0; done < count; done += BATCH) {
    const results = await Promise.all(Array.from({ length: Math.min(BATCH, count - done) }, () => run()));
    const { out } = session;
    await unlessReaderGone(out.json ? out.jsonLines(results) : out.lines(results.map(({ id }) => id)));
  }
  return DONE;
}

async function runLine(line: string, run: (line: string) => Promise<LineOutput>): Promise<LineResult> {
  try {
    return { sent: await run(line) };
  } catch (error) {
    return { error };
  }
}

function printAll(out: Output, settled: readonly (LineResult | undefined)[], first: number): Promise<void> {
  if (!out.json) return out.lines(settled.flatMap((one) => (one !== undefined && 'sent' in one ? [one.sent.id] : [])));
  return out.jsonLines(
    settled.flatMap((one, index) => (one !== undefined && 'sent' in one ? [{ line: first + index, ...one.sent }] : [])),
  );
}

/** Reports a line that was not handled. Throws an error that is not the line's fault. */
function reportLine(out: Output, line: number, thrown: unknown): number {
  const error = withShellHint(thrown);
  if (!isBusbarError(error)) throw error;
  const code = exitCodeOf(error.code);
  if (code !== USAGE && code !== REFUSED && code !== NOT_FOUND) throw error;
  const message = foreignText(error.message);
  const hint = error.hint && foreignText(error.hint);
  if (out.json) out.errorLines([toJsonLine({ error: { code: error.code, message, hint, line } })]);
  else out.warn(`line ${line}: ${message}${hint === undefined ? '' : ` (${hint})`}`);
  // A full inbox is not the line's fault.
  return error.code === 'BACKPRESSURE' ? REFUSED : USAGE;
}

/** A bad line determines the exit code. */
function worse(one: number, other: number): number {
  return one === USAGE || other === USAGE ? USAGE : Math.max(one, other);
}
