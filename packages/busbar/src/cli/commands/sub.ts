/** `busbar sub`: handles the events of a durable subscription, by a command or by printing them. */

import type { Bus, Context, Lock, ReceivedMessage } from '@busbar/api';
import { BusbarError, checkPattern, checkQueueName, invalid, isBusbarError, MAX_TIMER_MS } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { FROM_FLAGS, readFrom } from '../input/from.ts';
import { subscriptionOf } from '../mail/mailbox.ts';
import { DONE } from '../output/exit-codes.ts';
import { detailsOf, showValue, timeOf, valueText } from '../output/message-view.ts';
import { type Output, ReaderGone } from '../output/output.ts';
import { printableLine } from '../output/printable.ts';
import type { Session } from '../session.ts';
import { COMMAND_FLAGS, COMMAND_NOTES, type PlannedCommand, toPlannedCommand } from '../work/command-flags.ts';
import { commandEnvironment, consume } from '../work/consume.ts';

const FLAGS = {
  durable: { kind: 'text', value: 'NAME', max: 200, help: 'the name of the subscription' },
  group: { kind: 'switch', help: 'share its events with other processes of this name' },
  ...FROM_FLAGS,
  count: { kind: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER, help: 'end after this many events' },
  'until-empty': { kind: 'switch', help: 'end when no event is left, delayed or held' },
  ...COMMAND_FLAGS,
} as const;

type End = (how: 'drain' | 'release') => void;

/** What handles events, and the options of its consumer. */
interface EventConsumer {
  readonly handler: (event: ReceivedMessage, context: Context) => Promise<unknown>;
  readonly options: Partial<PlannedCommand['consume']>;
}

/** How long a subscriber that was killed blocks the next one. */
const HOLD_MS = 10_000;
const SAY_MS = 1_000;

export const sub: Command = defineCommand({
  args: ['PATTERN'],
  runs: 'CMD?',
  flags: FLAGS,
  examples: [
    [`busbar sub 'user.*' --durable audit -- ./audit.sh`, 'a command for each event'],
    [`busbar sub 'user.*' --durable audit --json`, 'prints each event and acks it'],
    [`busbar sub 'job.>' --durable crew --group -- ./run.sh`, 'each event to one of the processes'],
  ],
  notes: [
    'The bus stores events for the subscription while no process handles them. --from counts when the pattern is new to it. Without --group one process at a time may use it.',
    ...COMMAND_NOTES,
    'Without CMD an event is acked when it is printed, and the command ends when its output has no reader.',
  ],
  run: async (invocation) => {
    const { args, flags, session, command } = invocation;
    const { durable: durableName, count, 'until-empty': untilEmpty } = flags;
    if (durableName === undefined)
      throw invalid('--durable is missing', 'Name the subscription. busbar tail prints events without one.');
    const from = readFrom(flags);
    if (count !== undefined && flags.concurrency !== undefined)
      throw invalid('--count and --concurrency exclude each other', 'With --count events are handled one by one.');
    const plan = command.length === 0 ? undefined : toPlannedCommand(invocation);
    const [pattern = ''] = args;
    checkPattern(pattern);
    checkQueueName(subscriptionOf(durableName));
    session.createsBus();
    if (plan === undefined && !session.out.isFile) session.endWithReader();
    let lock: Lock | undefined;
    const start = async (bus: Bus, end: End): Promise<void> => {
      lock = await hold(bus, durableName, flags.group, session);
      lock?.signal.addEventListener('abort', () => end('release'), { once: true });
      const { handler, options } = plan === undefined ? printing(session, end) : await running(plan, session);
      let left = count ?? Number.POSITIVE_INFINITY;
      const handle: EventConsumer['handler'] = async (event, context) => {
        left -= 1;
        // Closed in its last handler, it takes no further event.
        if (left === 0) void (await opened).close({ drainMs: MAX_TIMER_MS });
        await handler(event, context).finally(() => left === 0 && end('drain'));
      };
      const opened = bus.subscribe(pattern, handle, { ...options, durableName, from });
      await opened;
      session.out.note(`busbar: handling events of ${durableName}; Ctrl-C ends it`);
    };
    await consume(session, { queue: subscriptionOf(durableName), untilEmpty, start });
    if (lock?.lost === true) throw lostTo(durableName);
    return DONE;
  },
});

/** The lock of a subscription that one process uses; undefined with `--group`. */
async function hold(bus: Bus, name: string, group: boolean, session: Session): Promise<Lock | undefined> {
  const lockName = `sub/${name}`;
  if (group) {
    const holder = await bus.lockHolder(lockName, session.call);
    if (holder === undefined) return undefined;
    throw inUse(name, `${holder.owner} uses it without --group`);
  }
  const saying = setTimeout(
    () => session.out.note(`busbar: another process uses ${name}; waiting for its end`),
    SAY_MS,
  );
  try {
    const options = { leaseMs: HOLD_MS, waitMs: HOLD_MS + SAY_MS, owner: session.sender, signal: session.signal };
    return await bus.lock(lockName, options);
  } catch (error) {
    throw isBusbarError(error) && error.code === 'TIMEOUT' ? inUse(name, error.message) : error;
  } finally {
    clearTimeout(saying);
  }
}

/** Prints each event. It is acked when it is printed; without a reader it is released. */
function printing(session: Session, end: End): EventConsumer {
  const { out } = session;
  return {
    options: {},
    handler: async (event) => {
      try {
        await (out.json ? out.jsonLines([toJson(event)]) : out.lines([toLine(event, out)]));
      } catch (error) {
        if (!(error instanceof ReaderGone)) throw error;
        end('release');
        await new Promise<never>(() => undefined);
      }
    },
  };
}

async function running(plan: PlannedCommand, session: Session): Promise<EventConsumer> {
  const { capabilities } = await session.transport();
  return { options: plan.consume, handler: plan.handler(commandEnvironment(session), capabilities.maxBodyBytes) };
}

function toJson(event: ReceivedMessage): Record<string, unknown> {
  const { id, topic, from, type, body, attempt } = event;
  return { id, topic, from, type, body: showValue(body), attempt, ...detailsOf(event) };
}

function toLine({ topic = '', from, body, sentAt }: ReceivedMessage, out: Output): string {
  const sender = from === undefined ? '' : ` ${printableLine(from)}`;
  const text = printableLine(valueText(body));
  return `${out.paint('dim', timeOf(sentAt))} ${out.paint('cyan', printableLine(topic))}${out.paint('dim', sender)} ${text}`;
}

function inUse(name: string, why: string): BusbarError {
  return new BusbarError('CONFLICT', `the subscription ${JSON.stringify(name)} is in use: ${why}`, {
    hint: 'End the other process, or give --group to all: then each event goes to one of them.',
  });
}

function lostTo(name: string): BusbarError {
  return new BusbarError('LEASE_LOST', `the subscription ${JSON.stringify(name)} is not held any more`, {
    hint: 'Start it again. With --group several processes share it.',
  });
}
