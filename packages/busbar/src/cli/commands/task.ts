/** `busbar task`: adds, watches, cancels and lists tasks. */

import type { TaskHandle } from '@busbar/api';
import type { BrowsedMessage } from '@busbar/api/transport';
import { BusbarError, invalid, isBusbarError } from '@busbar/api/transport';
import { type Command, defineCommand, type Invocation, selectAction } from '../command.ts';
import { BODY_NOTE, readBody } from '../input/body.ts';
import { formatDuration } from '../input/durations.ts';
import { MAIL_FLAGS, toMailOptions } from '../input/mail-flags.ts';
import { findQueues } from '../mail/mailbox.ts';
import { CONFLICT, DONE } from '../output/exit-codes.ts';
import { bodyLine, decodeBody, showValue, timeOf, valueText } from '../output/message-view.ts';
import { printable } from '../output/printable.ts';
import { tableLines } from '../output/table.ts';
import { notFound } from '../session.ts';

const FLAGS = {
  ...MAIL_FLAGS,
  text: { kind: 'switch', help: 'add: BODY is text, even if it parses as JSON' },
  wait: { kind: 'wait', help: 'add, result: wait for the result, without limit or for TIME' },
  state: { kind: 'choice', choices: ['ready', 'delayed', 'leased', 'dead'], help: 'list: only tasks in this state' },
  limit: { kind: 'integer', min: 1, max: 1000, help: 'list: at most this many (default 100)' },
} as const;

type TaskInvocation = Invocation<typeof FLAGS>;

/** Timeout for reading a stored result. */
const READ_MS = 5_000;

const ACTIONS: Readonly<Record<string, (invocation: TaskInvocation) => Promise<number>>> = {
  add,
  status,
  result,
  cancel,
  list,
};

export const task: Command = defineCommand({
  args: ['ACTION', 'QUEUE|ID?', 'BODY?'],
  actions: Object.keys(ACTIONS),
  flags: FLAGS,
  examples: [
    [`busbar task add build '{"target":"all"}'`, 'prints the id of the task'],
    ['busbar task status ID', 'queued, delayed, running, done, dead or cancelled'],
    ['busbar task result ID --wait=5m', 'what its handler returned'],
    ['busbar task cancel ID', 'cancels it before a worker has it'],
    ['busbar task list build', 'waiting, running and dead tasks'],
    ['busbar task list @worker --state dead', 'dead letters of an inbox'],
  ],
  notes: [BODY_NOTE, 'Without --wait, result exits with 4 for an unfinished task. A dead task is exit 1.'],
  run: async (invocation) => {
    return selectAction(ACTIONS, invocation.args[0])(invocation);
  },
});

async function add({ args: [, queue, argument], flags, session }: TaskInvocation): Promise<number> {
  const { out, signal } = session;
  if (queue === undefined) throw invalid('QUEUE is missing', 'Write busbar task add QUEUE BODY.');
  const body = await readBody(argument, { text: flags.text, optional: true, signal, out });
  session.createsBus();
  const options = { ...session.call, ...toMailOptions(flags), dedupeKey: flags.key };
  const handle = await (await session.senderAgent()).enqueue(queue, body, options);
  if (flags.wait !== undefined) {
    out.note(handle.id);
    session.endWithParent();
    return printResult(handle, flags.wait, session);
  }
  await (out.json ? out.jsonLines([{ id: handle.id, queue, status: statusOf(handle) }]) : out.lines([handle.id]));
  if (handle.isDuplicate) out.note('busbar: duplicate: this task was added before');
  return DONE;
}

async function status(invocation: TaskInvocation): Promise<number> {
  const { out, call } = invocation.session;
  const handle = await handleOf(invocation, 'status');
  const state = await handle.status(call);
  if (state === 'unknown') throw noTrace(handle.id);
  await (out.json ? out.jsonLines([{ id: handle.id, queue: handle.queue, status: state }]) : out.lines([state]));
  return DONE;
}

async function result(invocation: TaskInvocation): Promise<number> {
  const { flags, session } = invocation;
  const handle = await handleOf(invocation, 'result');
  if (flags.wait !== undefined) {
    session.endWithParent();
    return printResult(handle, flags.wait, session);
  }
  const state = await handle.status(session.call);
  if (state === 'queued' || state === 'delayed' || state === 'running') {
    const hint = 'Use --wait to wait for it, or --wait=5m.';
    throw new BusbarError('TIMEOUT', `the task is not finished: ${state}`, { hint });
  }
  if (state === 'unknown') throw noTrace(handle.id);
  return printResult(handle, READ_MS, session);
}

async function cancel(invocation: TaskInvocation): Promise<number> {
  const { out, call } = invocation.session;
  const handle = await handleOf(invocation, 'cancel');
  const cancelled = await handle.cancel(call);
  const state = cancelled ? 'cancelled' : await handle.status(call);
  if (out.json) await out.jsonLines([{ id: handle.id, cancelled, status: state }]);
  if (cancelled) return DONE;
  if (state === 'unknown') throw noTrace(handle.id);
  out.warn(`too late: the task is ${state}`);
  return CONFLICT;
}

async function list({ args: [, queue, extra], flags, session }: TaskInvocation): Promise<number> {
  const { out, call } = session;
  if (queue === undefined) throw invalid('QUEUE is missing', 'Write busbar task list QUEUE.');
  if (extra !== undefined) throw invalid('list takes a queue only', 'Write busbar task list QUEUE.');
  const { admin } = await session.transport();
  const [name = queue] = await findQueues(queue, session);
  const state = flags.state as BrowsedMessage['state'] | undefined;
  const { messages, next } = await admin.browse(name, { limit: flags.limit ?? 100, state, ...call });
  if (out.json) await out.jsonLines(messages.map(toJson));
  else if (messages.length > 0)
    await out.lines(tableLines(['STATE', '#ATTEMPT', 'SINCE', 'ID', 'BODY'], messages.map(toRow), out));
  if (next !== undefined) out.note(`busbar: more than ${messages.length}; --limit shows more`);
  return DONE;
}

async function printResult(
  handle: TaskHandle,
  waitMs: number,
  { out, signal }: TaskInvocation['session'],
): Promise<number> {
  const value = await handle.result({ timeoutMs: Math.max(1, waitMs), signal }).catch((error: unknown) => {
    throw isBusbarError(error) ? withVerbHint(error, handle) : error;
  });
  await (out.json
    ? out.jsonLines([{ id: handle.id, status: 'done', result: showValue(value) }])
    : out.lines([printable(valueText(value))]));
  return DONE;
}

async function handleOf({ args: [, id, extra], session }: TaskInvocation, action: string): Promise<TaskHandle> {
  if (id === undefined) throw invalid('ID is missing', `Write busbar task ${action} ID, as task add printed it.`);
  if (extra !== undefined) throw invalid(`${action} takes an id only`, `Write busbar task ${action} ID.`);
  return (await session.bus()).task(id.slice(0, Math.max(0, id.indexOf('#'))), id);
}

function statusOf({ isDuplicate }: TaskHandle): string {
  return isDuplicate ? 'duplicate' : 'stored';
}

function toJson({ message, state, attempts, delayLeftMs, leaseLeftMs, consumer, dead }: BrowsedMessage): unknown {
  const { id, from, priority, sentAt } = message;
  return {
    id,
    state,
    attempts,
    from,
    priority,
    sentAt: new Date(sentAt).toISOString(),
    body: decodeBody(message),
    ...{ delayLeftMs, leaseLeftMs, consumer },
    dead: dead && { reason: dead.reason, at: new Date(dead.at).toISOString() },
  };
}

function toRow({ message, state, attempts, delayLeftMs, dead }: BrowsedMessage): string[] {
  const shown = delayLeftMs === undefined ? state : `${state} ${formatDuration(delayLeftMs)}`;
  const body = dead === undefined ? bodyLine(message, 200) : `${dead.reason} — ${bodyLine(message, 200)}`;
  return [shown, String(attempts), timeOf(message.sentAt), message.id, body];
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

function noTrace(id: string): Error {
  return notFound('task', id, GONE);
}
