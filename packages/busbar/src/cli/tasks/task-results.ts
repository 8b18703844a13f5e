/** Results of tasks: waiting, printing, and hints that name verbs. */

import type { TaskHandle } from '@busbar/api';
import { BusbarError, isBusbarError } from '@busbar/api/transport';
import { DONE } from '../output/exit-codes.ts';
import { showValue, valueText } from '../output/message-view.ts';
import { printable } from '../output/printable.ts';
import { notFound, type Session } from '../session.ts';

/** Waits for the result of a task and prints it. */
export async function printResult(
  handle: TaskHandle,
  waitMs: number,
  { out, signal }: Pick<Session, 'out' | 'signal'>,
): Promise<number> {
  const value = await handle.result({ timeoutMs: Math.max(1, waitMs), signal }).catch((error: unknown) => {
    throw isBusbarError(error) ? withVerbHint(error, handle) : error;
  });
  await (out.json
    ? out.jsonLines([{ id: handle.id, status: 'done', result: showValue(value) }])
    : out.lines([printable(valueText(value))]));
  return DONE;
}

/** The same error, with a hint that names verbs and flags instead of functions and options. */
function withVerbHint(error: BusbarError, { queue, id }: TaskHandle): BusbarError {
  const { code, message, cause, hint: before = '', outcome } = error;
  const hints: Readonly<Record<string, string>> = {
    TIMEOUT: 'Wait longer with --wait=TIME. busbar stats shows whether a worker handles tasks of its queue.',
    NOT_FOUND: GONE,
  };
  const hint = before.includes('deadLetters')
    ? `busbar dead list ${queue} shows its attempts, busbar dead redrive ${queue} ${id} retries it.`
    : hints[code];
  return hint === undefined ? error : new BusbarError(code, message, { hint, cause, outcome });
}

const GONE = 'It expired, was purged, or its result is no longer kept.';

/** The error for a task that left no trace. */
export function noTrace(id: string): Error {
  return notFound('task', id, GONE);
}
