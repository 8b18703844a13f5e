/** `busbar task take`, `done`, `fail`, `progress` and `extend`: a worker without a program of its own. */

import type { HeldTask, TakenTask } from '@busbar/api';
import { invalid, quote } from '@busbar/api/transport';
import { readBody } from '../input/body.ts';
import { formatDuration } from '../input/durations.ts';
import { readReceipts } from '../input/receipts.ts';
import { withLeases } from '../mail/leases.ts';
import { DONE, TIMED_OUT } from '../output/exit-codes.ts';
import { fieldPrinter } from '../output/fields.ts';
import { detailsOf, showValue, timeOf, valueText } from '../output/message-view.ts';
import type { Output } from '../output/output.ts';
import { printableBlock, printableLine, quoteForShell } from '../output/printable.ts';
import type { TaskInvocation } from './task-flags.ts';

/** A task with its lease, without methods. */
type LeasedTask = Omit<TakenTask, keyof HeldTask> & Pick<HeldTask, 'id' | 'queue' | 'attempt' | 'receipt'>;

/** `busbar task take`. */
export async function take({ args: [, queue, extra], flags, session }: TaskInvocation): Promise<number> {
  const { out, signal } = session;
  if (queue === undefined) throw invalid('QUEUE is missing', 'Write busbar task take QUEUE.');
  if (extra !== undefined) throw invalid('take takes a queue only', 'Write busbar task take QUEUE.');
  const printer = fieldPrinter(flags);
  const { max = 1, wait: waitMs = 0, lease: leaseMs } = flags;
  const started = performance.now();
  if (flags.wait !== undefined) {
    session.endWithReader();
    await session.untilBusExists({ maxMs: waitMs });
  }
  const bus = await session.bus();
  const consumer = `${session.sender}/cli-${process.pid}`.slice(-255);
  const leftMs = Math.max(0, waitMs - Math.round(performance.now() - started));
  const taken = await bus.takeTasks(queue, { max, waitMs: leftMs, consumer, signal });
  const tasks: LeasedTask[] = await withLeases<LeasedTask>(taken, leaseMs, session);
  if (tasks.length === 0) {
    out.note('busbar: no task to take');
    return TIMED_OUT;
  }
  // Without output the receipts are lost: the session then releases the tasks when it ends.
  if (printer !== undefined) await out.lines(tasks.map((task) => printer(toJson(task), out)));
  else if (out.json) await out.jsonLines(tasks.map(toJson));
  else
    await out.lines(tasks.flatMap((task, index) => (index === 0 ? toBlock(task, out) : ['', ...toBlock(task, out)])));
  session.keepLeases();
  return DONE;
}

/** `busbar task done`. */
export async function done(invocation: TaskInvocation): Promise<number> {
  const { flags, session } = invocation;
  const { signal, out } = session;
  const { result, text } = flags;
  if (result === '-' && invocation.args[1] === undefined)
    throw invalid(
      '--result - reads the pipe, so the receipt must be an argument',
      'Write task done RECEIPT --result -.',
    );
  const value = result === undefined ? undefined : await readBody(result, { text, optional: false, signal, out });
  return settleAll(invocation, 'done', (task) => task.done(value).then(nothing));
}

/** `busbar task fail`. */
export async function fail(invocation: TaskInvocation): Promise<number> {
  const { reject, delay: delayMs, reason } = invocation.flags;
  if (reject && delayMs !== undefined)
    throw invalid('--reject and --delay exclude each other', 'A rejected task is not retried.');
  return settleAll(invocation, reject ? 'rejected' : 'failed', (task) =>
    (reject ? task.reject(reason) : task.fail({ delayMs, reason })).then(nothing),
  );
}

/** `busbar task progress`. */
export async function progress({ args: [, receipt, argument], flags, session }: TaskInvocation): Promise<number> {
  const { signal, out } = session;
  if (receipt === undefined || receipt === '-')
    throw invalid('RECEIPT is missing', 'Write busbar task progress RECEIPT BODY.');
  const body = await readBody(argument, { text: flags.text, optional: false, signal, out });
  const task = (await session.bus()).heldTask(receipt);
  await task.progress(body);
  if (out.json) await out.jsonLines([{ id: task.id, progress: showValue(body) }]);
  return DONE;
}

/** `busbar task extend`. */
export function extend(invocation: TaskInvocation): Promise<number> {
  return settleAll(invocation, 'extended', async (task) => ({
    leaseLeftMs: Math.round(await task.extend({ leaseMs: invocation.flags.lease })),
  }));
}

const nothing = (): undefined => undefined;

async function settleAll(
  { args: [, receipt, extra], session }: TaskInvocation,
  status: string,
  settle: (task: HeldTask) => Promise<object | undefined>,
): Promise<number> {
  const { out } = session;
  if (extra !== undefined)
    throw invalid(`unexpected argument ${quote(extra)}`, 'One receipt is an argument; more come through a pipe.');
  const receipts = await readReceipts(receipt === undefined ? [] : [receipt], session);
  const bus = await session.bus();
  // All receipts are checked before the first effect.
  for (const task of receipts.map((one) => bus.heldTask(one))) {
    const more = (await settle(task)) ?? {};
    if (out.json) await out.jsonLines([{ id: task.id, status, ...more }]);
  }
  return DONE;
}

function toJson(task: LeasedTask): Record<string, unknown> {
  const { id, queue, from, body, attempt, receipt, leaseLeftMs } = task;
  return {
    ...{ id, queue, from: from ?? null, body: showValue(body), attempt, receipt },
    leaseLeftMs: Math.round(leaseLeftMs),
    ...detailsOf(task),
  };
}

function toBlock(task: LeasedTask, out: Output): string[] {
  const { id, from = 'unknown sender', attempt, sentAt, receipt, leaseLeftMs } = task;
  const again = attempt === 1 ? '' : `, attempt ${attempt}`;
  const body = valueText(task.body);
  return [
    `${out.paint('bold', printableLine(id))} from ${printableLine(from)}, ${timeOf(sentAt)}${again}`,
    ...(body === '' ? [] : [printableBlock(body)]),
    out.paint('dim', `done: busbar task done ${quoteForShell(receipt)}   (within ${formatDuration(leaseLeftMs)})`),
  ];
}
