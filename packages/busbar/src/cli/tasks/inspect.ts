/** `busbar task status`, `result`, `cancel` and `ls`: tasks of any process. */

import type { TaskHandle, TaskStatus } from '@busbar/api';
import { BusbarError, invalid } from '@busbar/api/transport';
import { findQueues } from '../mail/mailbox.ts';
import { BROWSED_HEADINGS, browsedJson, browsedRow } from '../output/browsed-view.ts';
import { CONFLICT, DONE } from '../output/exit-codes.ts';
import { quoteForShell } from '../output/printable.ts';
import { paintState, STATES_BY_WORD, TASK_WORDS } from '../output/states.ts';
import { tableLines } from '../output/table.ts';
import { printWatched, type Shown } from '../output/watch.ts';
import type { Session } from '../session.ts';
import type { TaskInvocation } from './task-flags.ts';
import { noTrace, printResult } from './task-results.ts';
import { waitingParents } from './waiting-parents.ts';

/** Timeout for reading a stored result. */
const READ_MS = 5_000;
const UNFINISHED: ReadonlySet<TaskStatus> = new Set(['queued', 'delayed', 'waiting', 'running']);

/** `busbar task status`. */
export async function status(invocation: TaskInvocation): Promise<number> {
  const { out, call } = invocation.session;
  const handle = await handleOf(invocation, 'status');
  const state = await handle.status(call);
  if (state === 'unknown') throw noTrace(handle.id);
  const word = TASK_WORDS[state];
  await (out.json
    ? out.jsonLines([{ id: handle.id, queue: handle.queue, status: word.toLowerCase() }])
    : out.lines([paintState(word, out)]));
  return DONE;
}

/** `busbar task result`. */
export async function result(invocation: TaskInvocation): Promise<number> {
  const { flags, session } = invocation;
  const handle = await handleOf(invocation, 'result');
  if (flags.wait !== undefined) {
    session.endWithParent();
    return printResult(handle, flags.wait, session);
  }
  const state = await handle.status(session.call);
  if (UNFINISHED.has(state)) {
    const hint = 'Use --wait to wait for it, or --wait=5m.';
    throw new BusbarError('TIMEOUT', `the task is not finished: ${TASK_WORDS[state]}`, { hint });
  }
  if (state === 'unknown') throw noTrace(handle.id);
  return printResult(handle, READ_MS, session);
}

/** `busbar task cancel`. */
export async function cancel(invocation: TaskInvocation): Promise<number> {
  const { out, call } = invocation.session;
  const { running, reason } = invocation.flags;
  const handle = await handleOf(invocation, 'cancel');
  const cancelled = await handle.cancel({ ...call, running, reason });
  const state = cancelled ? 'cancelled' : await handle.status(call);
  if (out.json) await out.jsonLines([{ id: handle.id, cancelled, status: TASK_WORDS[state].toLowerCase() }]);
  if (cancelled) return DONE;
  if (state === 'unknown') throw noTrace(handle.id);
  out.warn(`too late: the task is ${TASK_WORDS[state]}`);
  return CONFLICT;
}

/** `busbar task ls`. */
export async function ls({ args: [, queue, extra], flags, session }: TaskInvocation): Promise<number> {
  if (queue === undefined) throw invalid('QUEUE is missing', 'Write busbar task ls QUEUE.');
  if (extra !== undefined) throw invalid('ls takes a queue only', 'Write busbar task ls QUEUE.');
  await printWatched(session, flags.watch, () => findTasks(queue, flags, session));
  return DONE;
}

async function findTasks(queue: string, flags: TaskInvocation['flags'], session: Session): Promise<Shown> {
  const { out, call } = session;
  const { admin } = await session.transport();
  const [name = queue] = await findQueues(queue, session);
  const { limit = 100, type, after, state: word } = flags;
  const state = word === undefined ? undefined : STATES_BY_WORD[word === 'waiting' ? 'delayed' : word];
  const { messages: all, next } = await admin.browse(name, { limit, state, type, after, ...call });
  const awaited = await waitingParents(name, all, session);
  // Parents that wait are delayed messages.
  const messages =
    state === 'delayed' ? all.filter(({ message: { id } }) => awaited.has(id) === (word === 'waiting')) : all;
  if (next !== undefined) out.note(`busbar: the next page: --after ${quoteForShell(next)}`);
  const rows = messages.map((one) => browsedRow(one, awaited.get(one.message.id)));
  return {
    values: messages.map((one) => browsedJson(one, awaited.get(one.message.id))),
    lines: () => (rows.length === 0 ? [] : tableLines(BROWSED_HEADINGS, rows, out)),
  };
}

async function handleOf({ args: [, id, extra], session }: TaskInvocation, action: string): Promise<TaskHandle> {
  if (id === undefined) throw invalid('ID is missing', `Write busbar task ${action} ID, as task add printed it.`);
  if (extra !== undefined) throw invalid(`${action} takes an id only`, `Write busbar task ${action} ID.`);
  return (await session.bus()).task(id.slice(0, Math.max(0, id.indexOf('#'))), id);
}
