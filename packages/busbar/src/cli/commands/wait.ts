/** `busbar wait`: waits until something holds. */

import { BusbarError, invalid, isBusbarError, type QueueInfo, quote } from '@busbar/api/transport';
import { type Command, defineCommand, type Invocation, selectAction } from '../command.ts';
import { checkAgent, findQueues, knownName, requireMailbox } from '../mail/mailbox.ts';
import { hasProcess } from '../mail/presence.ts';
import { DONE, UNEXPECTED } from '../output/exit-codes.ts';
import { decodeBody, detailsOf, valueText } from '../output/message-view.ts';
import { printable } from '../output/printable.ts';
import { notFound } from '../session.ts';
import { printResult } from '../tasks/task-results.ts';

const FLAGS = {
  wait: { kind: 'duration', min: 0, max: 2_147_483_647, help: 'how long (default: no limit); exit 4 after it' },
} as const;

type WaitInvocation = Invocation<typeof FLAGS>;

/** Where the store reports no change, it is looked at this often. */
const LOOK_MS = 1_000;

const CONDITIONS: Readonly<Record<string, (invocation: WaitInvocation) => Promise<number>>> = {
  ...{ online, empty, acked, done, event },
};

export const wait: Command = defineCommand({
  args: ['ACTION', 'WHAT', 'ID?'],
  actions: Object.keys(CONDITIONS),
  flags: FLAGS,
  examples: [
    ['busbar wait online @reviewer --wait 1m', 'until the agent is online'],
    ['busbar wait empty build', 'until a queue or an inbox has no message left'],
    ['busbar wait acked @reviewer ID', 'until the agent has handled a message'],
    ['busbar wait done ID', 'until a task has ended; prints its result'],
    [`busbar wait event 'deploy.*'`, 'until an event is published; prints its body'],
  ],
  notes: [
    'Exit 4 after --wait. Exit 1 if the message or the task became a dead letter.',
    'A queue that does not exist is empty. Exit 3: there is no such agent, or no such task.',
    'acked also ends for a message that expired or was deleted: it is no longer in the inbox.',
  ],
  run: async (invocation) => {
    const [name, , extra] = invocation.args;
    const run = selectAction(CONDITIONS, name);
    if (extra !== undefined && name !== 'acked')
      throw invalid(`${name} takes one argument`, `Write busbar wait ${name} WHAT.`);
    invocation.session.endWithParent();
    return run(invocation);
  },
});

async function online(invocation: WaitInvocation): Promise<number> {
  const { args, session } = invocation;
  const [, agent = ''] = args;
  checkAgent(agent);
  const { leftMs } = await awaitBus(invocation);
  const bus = await session.bus();
  const seen = Promise.withResolvers<void>();
  await using watch = await bus.watchAgents((change) => {
    // A command that has ended leaves an instance behind for some seconds.
    if (change.agent.name === agent && change.agent.instances.some(hasProcess)) seen.resolve();
  });
  void watch.ended.then((error) => seen.reject(error ?? new BusbarError('CLOSED', 'the transport was closed')));
  await within(invocation, seen.promise, { what: `${agent} is not online`, leftMs });
  return say(invocation, { name: agent, online: true });
}

async function empty(invocation: WaitInvocation): Promise<number> {
  const { args, session } = invocation;
  const [, name = ''] = args;
  const queue = await findQueue(name, session);
  if (queue === undefined) {
    session.out.note(`busbar: there is no queue ${quote(name)}; busbar queues lists them`);
    return say(invocation, { name, empty: true });
  }
  const { admin } = await session.transport();
  const left = async (): Promise<number> => {
    const [info] = await admin.queues({ names: [queue], ...session.call });
    return pendingOf(info);
  };
  await until(invocation, async () => (await left()) === 0, `${knownName(queue)} is not empty`);
  return say(invocation, { name: knownName(queue), empty: true });
}

/** The queue, or undefined: a queue that is idle may be deleted. A missing agent is an error. */
async function findQueue(name: string, session: WaitInvocation['session']): Promise<string | undefined> {
  if (name.startsWith('@')) return (await requireMailbox(name, session)).name;
  try {
    const [queue] = await findQueues(name, session);
    return queue;
  } catch (error) {
    if (isBusbarError(error) && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

async function acked(invocation: WaitInvocation): Promise<number> {
  const { args, session } = invocation;
  const [, name = '', id] = args;
  if (id === undefined) throw invalid('ID is missing', 'Write busbar wait acked @agent ID, as send printed it.');
  const [queue] = await findQueues(name, session);
  const { admin } = await session.transport();
  let reason: string | undefined;
  const isGone = async (): Promise<boolean> => {
    const { messages } = await admin.browse(queue, { ids: [id], ...session.call });
    reason = messages.find(({ state }) => state === 'dead')?.dead?.reason;
    return messages.every(({ state }) => state === 'dead');
  };
  await until(invocation, isGone, `the message is still in ${knownName(queue)}`);
  if (reason === undefined) return say(invocation, { id, acked: true });
  session.out.warn(`the message is a dead letter: ${reason}`);
  return UNEXPECTED;
}

async function done({ args: [, id = ''], flags, session }: WaitInvocation): Promise<number> {
  const handle = (await session.bus()).task(id.slice(0, Math.max(0, id.indexOf('#'))), id);
  const state = await handle.status(session.call);
  if (state === 'unknown') throw notFound('task', id, 'It expired, was purged, or its result is no longer kept.');
  return printResult(handle, flags.wait ?? Number.POSITIVE_INFINITY, session);
}

async function event(invocation: WaitInvocation): Promise<number> {
  const { args, session } = invocation;
  const { isNew, leftMs } = await awaitBus(invocation);
  if (session.signal.aborted) return DONE;
  const { topics } = await session.transport();
  const seen = Promise.withResolvers<Record<string, unknown>>();
  const from = isNew ? 'start' : 'new';
  await using subscription = await topics.subscribe(args[1] ?? '', { from, max: 1, ...session.call }, ([one]) => {
    if (one === undefined) return;
    const { id, topic, type, position } = one;
    seen.resolve({ id, topic, from: one.from, type, body: decodeBody(one), position, ...detailsOf({ ...one }) });
  });
  void subscription.ended.then((error) => seen.reject(error ?? new BusbarError('CLOSED', 'the transport was closed')));
  const found = await within(invocation, seen.promise, { what: 'no event was published', leftMs });
  const { out } = session;
  await (out.json ? out.jsonLines([found]) : out.lines([printable(valueText(found['body']))]));
  return DONE;
}

function pendingOf(info: QueueInfo | undefined): number {
  return info === undefined ? 0 : info.ready + info.delayed + info.leased;
}

async function say({ session: { out } }: WaitInvocation, result: Record<string, unknown>): Promise<number> {
  if (out.json) await out.jsonLines([result]);
  return DONE;
}

/** Looks until the condition holds. */
async function until(invocation: WaitInvocation, holds: () => Promise<boolean>, what: string): Promise<void> {
  const over = Promise.withResolvers<void>();
  let timer: NodeJS.Timeout | undefined;
  const look = async (): Promise<void> => {
    if (await holds()) over.resolve();
    else timer = setTimeout(() => look().catch(over.reject), LOOK_MS);
  };
  look().catch(over.reject);
  try {
    await within(invocation, over.promise, { what, leftMs: invocation.flags.wait });
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for the bus, which counts as part of `--wait`. */
async function awaitBus({
  flags: { wait: waitMs },
  session,
}: WaitInvocation): Promise<{ readonly isNew: boolean; readonly leftMs: number | undefined }> {
  const started = performance.now();
  const isNew = await session.untilBusExists({ maxMs: waitMs });
  return { isNew, leftMs: waitMs && Math.max(0, waitMs - (performance.now() - started)) };
}

interface Patience {
  /** What has not happened when the time is over. */
  readonly what: string;
  /** What is left of `--wait`. */
  readonly leftMs: number | undefined;
}

/** Waits up to `leftMs`, and until the command is interrupted. Throws TIMEOUT. */
async function within<T>(
  { flags, session }: WaitInvocation,
  waiting: Promise<T>,
  { what, leftMs }: Patience,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const tooLate = (): void => late.reject(new BusbarError('TIMEOUT', `${what} after ${flags.wait} ms`, { hint: HINT }));
  const timer = leftMs === undefined ? undefined : setTimeout(tooLate, leftMs);
  const onAbort = (): void => late.reject(new BusbarError('ABORTED', 'interrupted'));
  session.signal.addEventListener('abort', onAbort, { once: true });
  if (session.signal.aborted) onAbort();
  waiting.catch(() => undefined);
  try {
    return await Promise.race([waiting, late.promise]);
  } finally {
    clearTimeout(timer);
    session.signal.removeEventListener('abort', onAbort);
  }
}

const HINT = 'Wait longer with --wait.';
