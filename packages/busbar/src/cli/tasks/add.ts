/** `busbar task add`, `busbar enqueue` and `busbar task flow`: add tasks. */

import type { EnqueueOptions, Flow, Sender, TaskHandle } from '@busbar/api';
import { checkQueueName, invalid, quote } from '@busbar/api/transport';
import { readBody } from '../input/body.ts';
import type { FlagValues } from '../input/flag-values.ts';
import { MAIL_FLAGS, toMailOptions } from '../input/mail-flags.ts';
import { DONE } from '../output/exit-codes.ts';
import type { Session } from '../session.ts';
import { ADD_FLAGS, type AddInvocation } from './task-flags.ts';
import { printResult } from './task-results.ts';

/** The flags of one task. */
const LINE_FLAGS = {
  ...MAIL_FLAGS,
  type: ADD_FLAGS.type,
  'until-done': ADD_FLAGS['until-done'],
  replace: ADD_FLAGS.replace,
};

/** Adds tasks: one, one several times, or one for each line of stdin. */
export async function add(invocation: AddInvocation): Promise<number> {
  const { jsonl, count, wait, key } = invocation.flags;
  if (count !== undefined && (key !== undefined || wait !== undefined || jsonl))
    throw invalid('--count excludes --key, --wait and --jsonl', 'Leave it out, or the others.');
  if (jsonl) return addLines(invocation);
  return count === undefined ? addOne(invocation) : addTimes(invocation, count);
}

/** `busbar task flow`: a task that waits for others. The bus checks the flow. */
export async function flow({ args: [, argument, extra], flags, session }: AddInvocation): Promise<number> {
  if (extra !== undefined) throw invalid('flow takes one BODY', 'Write busbar task flow BODY.');
  const { signal, out } = session;
  const body = await readBody(argument, { text: false, optional: false, signal, out });
  const handle = await session.create(async () => (await session.senderAgent()).flow(body as Flow));
  return printAdded(handle, flags, session);
}

async function addOne({ args, flags, session }: AddInvocation): Promise<number> {
  const { queue, body } = await readTask({ args, flags, session });
  const options = toOptions(flags, session);
  const handle = await session.create(async () => (await session.senderAgent()).enqueue(queue, body, options));
  return printAdded(handle, flags, session);
}

/** The id, or with --wait the result. */
async function printAdded(
  handle: TaskHandle,
  flags: Pick<AddInvocation['flags'], 'wait'>,
  session: Session,
): Promise<number> {
  const { out } = session;
  if (flags.wait !== undefined) {
    out.note(handle.id);
    session.endWithParent();
    return printResult(handle, flags.wait, session);
  }
  await (out.json ? out.jsonLines([toOutput(handle)]) : out.lines([handle.id]));
  if (handle.isDuplicate) out.note('busbar: duplicate: this task was added before');
  return DONE;
}

async function addTimes({ args, flags, session }: AddInvocation, count: number): Promise<number> {
  const { queue, body } = await readTask({ args, flags, session });
  checkOwn(queue);
  const sender = await openSender(session);
  const { runTimes } = await import('../lines/run-lines.ts');
  return runTimes(session, count, async () => toOutput(await sender.enqueue(queue, body, toOptions(flags, session))));
}

async function addLines({ args, flags, session }: AddInvocation): Promise<number> {
  if (args.length > 2) throw invalid('--jsonl takes no BODY', 'Each line has its own.');
  if (flags.key !== undefined || flags.wait !== undefined)
    throw invalid('--key and --wait have no meaning with --jsonl', 'Lines have keys of their own.');
  const [{ parseLine, textOf }, { runLines }] = await Promise.all([
    import('../lines/line-fields.ts'),
    import('../lines/run-lines.ts'),
  ]);
  return runLines(session, async (line) => {
    const { own, flags: given } = parseLine(line, ['queue', 'body'], LINE_FLAGS);
    const queue = textOf(own['queue'] ?? args[1], 'queue');
    // A bad line makes no bus.
    checkOwn(queue);
    const sender = await openSender(session);
    return toOutput(await sender.enqueue(queue, own['body'], toOptions({ ...flags, ...given }, session)));
  });
}

async function readTask({
  args: [, queue, argument],
  flags: { text },
  session: { signal, out },
}: Pick<AddInvocation, 'args' | 'flags' | 'session'>): Promise<{ readonly queue: string; readonly body: unknown }> {
  if (queue === undefined) throw invalid('QUEUE is missing', 'Write busbar task add QUEUE BODY.');
  return { queue, body: await readBody(argument, { text, optional: true, signal, out }) };
}

function checkOwn(queue: string): void {
  checkQueueName(queue);
  if (queue.startsWith('$')) throw invalid(`queue name ${quote(queue)} starts with $`, 'The prefix $ is reserved.');
}

function openSender(session: Session): Promise<Sender> {
  session.createsBus();
  return session.senderAgent();
}

function toOptions(flags: Partial<FlagValues<typeof LINE_FLAGS>>, { call }: Session): EnqueueOptions {
  const { type, key: dedupeKey } = flags;
  return {
    ...call,
    ...toMailOptions(flags),
    type,
    dedupeKey,
    dedupeUntilDone: flags['until-done'],
    replaceKey: flags.replace,
    // The bus refuses a key and a replaceKey together.
  } as EnqueueOptions;
}

function toOutput({ id, queue, isDuplicate }: TaskHandle): { id: string; queue: string; status: string } {
  return { id, queue, status: isDuplicate ? 'duplicate' : 'stored' };
}
