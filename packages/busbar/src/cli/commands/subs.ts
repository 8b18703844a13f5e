/** `busbar subs`: lists, deletes and moves durable subscriptions. */

import { type Binding, didYouMean, type From, invalid, type QueueInfo, type Transport } from '@busbar/api/transport';
import { type Command, defineCommand, type Invocation, selectAction } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { FROM_FLAGS, readFrom } from '../input/from.ts';
import { subscriptionOf, subscriptions } from '../mail/mailbox.ts';
import { checkEmpty } from '../mail/remove.ts';
import { DONE } from '../output/exit-codes.ts';
import { tableLines } from '../output/table.ts';
import { printWatched, type Shown, WATCH_FLAG } from '../output/watch.ts';
import { notFound, type Session } from '../session.ts';

const FLAGS = {
  ...FROM_FLAGS,
  force: { kind: 'switch', help: 'rm, seek: also with events and dead letters, which are deleted' },
  watch: { ...WATCH_FLAG.watch, help: `ls: ${WATCH_FLAG.watch.help}` },
} as const;

type SubsInvocation = Invocation<typeof FLAGS>;

const ACTIONS: Readonly<Record<string, (invocation: SubsInvocation) => Promise<number>>> = { ls, rm, seek, lag };

export const subs: Command = defineCommand({
  args: ['ACTION', 'NAME?'],
  actions: Object.keys(ACTIONS),
  flagsOfActions: { ls: ['watch'], rm: ['force'], seek: ['from', 'after', 'force'], lag: [] },
  flags: FLAGS,
  examples: [
    ['busbar subs ls', 'all durable subscriptions, with their patterns'],
    ['busbar subs ls --watch', 'again and again'],
    ['busbar subs lag audit', 'how many events it has not handled'],
    ['busbar subs seek audit --from 1h', 'handles the events of the last hour again'],
    ['busbar subs rm audit --force', 'deletes it with its events'],
  ],
  notes: [
    'seek deletes the subscription and binds its patterns again from there. It is not atomic: events that are handled meanwhile may be handled twice, and if it is interrupted, bind it again with busbar sub.',
  ],
  run: async (invocation) => selectAction(ACTIONS, invocation.args[0])(invocation),
});

async function ls({ args: [, extra], flags: { watch }, session }: SubsInvocation): Promise<number> {
  if (extra !== undefined) throw invalid('ls takes no name', 'Write busbar subs ls.');
  await printWatched(session, watch, () => findAll(session));
  return DONE;
}

async function findAll(session: Session): Promise<Shown> {
  const { out, call } = session;
  const transport = await session.transport();
  const [all, bindings] = await Promise.all([subscriptions(transport, session), transport.admin.bindings(call)]);
  const rows = [...all].map(([name, queue]) => ({ name, queue, patterns: patternsOf(queue.name, bindings) }));
  const values = rows.map(({ name, queue, patterns }) => ({ ...toJson(name, queue), patterns }));
  if (rows.length === 0) out.note('busbar: no durable subscriptions');
  const lines = (): string[] => {
    const headings = ['!NAME', '#READY', '#DELAYED', '#HELD', '*#DEAD', '#OLDEST', 'PATTERN'];
    const cells = rows.map(({ name, queue, patterns }) => [
      name,
      ...[queue.ready, queue.delayed, queue.leased, queue.dead].map(String),
      queue.ready === 0 ? '-' : formatDuration(queue.oldestAgeMs),
      patterns.join(' '),
    ]);
    return rows.length === 0 ? [] : tableLines(headings, cells, out);
  };
  return { values, lines };
}

async function lag({ args: [, name], session }: SubsInvocation): Promise<number> {
  const { out } = session;
  if (name !== undefined) {
    const queue = await requireSubscription(name, session);
    await (out.json ? out.jsonLines([toJson(name, queue)]) : out.lines([String(lagOf(queue))]));
    return DONE;
  }
  const all = [...(await subscriptions(await session.transport(), session))];
  if (out.json) await out.jsonLines(all.map(([one, queue]) => toJson(one, queue)));
  else await out.lines(all.map(([one, queue]) => `${one} ${lagOf(queue)}`));
  return DONE;
}

async function rm({ args: [, name], flags, session }: SubsInvocation): Promise<number> {
  const { out, call } = session;
  const queue = await requireSubscription(name, session);
  if (!flags.force) checkEmpty(queue, `the subscription ${name}`);
  await (await session.transport()).admin.deleteQueue(queue.name, call);
  await (out.json ? out.jsonLines([{ name, removed: true }]) : out.lines([name ?? '']));
  return DONE;
}

async function seek({ args: [, name], flags, session }: SubsInvocation): Promise<number> {
  const { out, call } = session;
  if (flags.from === undefined && flags.after === undefined)
    throw invalid('--from is missing', 'Write busbar subs seek NAME --from start, --from 1h or --after POSITION.');
  const from = readFrom(flags);
  const queue = await requireSubscription(name, session);
  const transport = await session.transport();
  const patterns = patternsOf(queue.name, await transport.admin.bindings(call));
  if (!flags.force) checkEmpty({ ...queue, ready: 0, delayed: 0, leased: 0 }, `the subscription ${name}`);
  await checkFrom(transport, patterns, from, session);
  await transport.admin.deleteQueue(queue.name, call);
  for (const pattern of patterns) await transport.topics.bind(queue.name, pattern, { from, ...call });
  await transport.queues.configure(queue.name, queue.settings, call);
  const [now] = await transport.admin.queues({ names: [queue.name], ...call });
  await (out.json ? out.jsonLines([toJson(name ?? '', now ?? queue)]) : out.lines([name ?? '']));
  out.note('busbar: seek is not atomic: events that were handled meanwhile may be handled twice');
  return DONE;
}

/** Refuses a position that cannot be used, before anything is deleted. */
async function checkFrom(
  { topics }: Transport,
  patterns: readonly string[],
  from: From,
  { call }: Session,
): Promise<void> {
  for (const pattern of patterns) {
    const probe = await topics.subscribe(pattern, { from, max: 1, ...call }, () => undefined);
    await probe.close();
  }
}

async function requireSubscription(name: string | undefined, session: Session): Promise<QueueInfo> {
  if (name === undefined) throw invalid('NAME is missing', 'busbar subs ls lists the subscriptions.');
  const transport = await session.transport();
  const [queue] = await transport.admin.queues({ names: [subscriptionOf(name)], ...session.call });
  if (queue !== undefined) return queue;
  const guess = didYouMean(name, (await subscriptions(transport, session)).keys());
  throw notFound('subscription', name, `${guess}busbar subs ls lists them.`);
}

function patternsOf(queue: string, bindings: readonly Binding[]): string[] {
  return bindings.filter((binding) => binding.queue === queue).map(({ pattern }) => pattern);
}

/** The events that are not handled. */
function lagOf({ ready, delayed, leased }: QueueInfo): number {
  return ready + delayed + leased;
}

function toJson(name: string, queue: QueueInfo): Record<string, unknown> {
  const { ready, delayed, leased: held, dead, oldestAgeMs } = queue;
  return { name, lag: lagOf(queue), ready, delayed, held, dead, oldestAgeMs: Math.round(oldestAgeMs) };
}
