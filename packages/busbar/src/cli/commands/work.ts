/** `busbar work`: runs a command for each message of a queue or an inbox. */

import type { Bus, Context, ReceivedMessage } from '@busbar/api';
import { checkQueueName, invalid, type QueueInfo } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { findIdentity, inboxOf, requireMailbox } from '../mail/mailbox.ts';
import { DONE } from '../output/exit-codes.ts';
import type { Session } from '../session.ts';
import { COMMAND_FLAGS, COMMAND_NOTES, type PlannedCommand, toPlannedCommand } from '../work/command-flags.ts';
import { commandEnvironment, consume } from '../work/consume.ts';

/** Where messages come from: the tasks of a queue, or the inbox of an agent. */
interface Source {
  readonly queue: string;
  readonly agent: string | undefined;
  /** The queue as it was before; undefined if there was none. */
  readonly before: QueueInfo | undefined;
}

export const work: Command = defineCommand({
  args: ['QUEUE|AGENT'],
  runs: 'CMD',
  flags: {
    type: { kind: 'text', value: 'NAME', max: 255, help: 'only messages of this type, of an inbox' },
    ...COMMAND_FLAGS,
    'until-empty': { kind: 'switch', help: 'end when no message is left, delayed or held' },
    schedules: { kind: 'switch', help: 'fire the schedules of the bus meanwhile, as schedule serve does' },
  },
  examples: [
    ['busbar work build -- ./build.sh', 'runs it for each task of the queue'],
    ['busbar work build --concurrency 4 -- make', 'four at a time'],
    ['busbar work @auth --type validate -- ./auth.sh', 'replies with its output'],
  ],
  notes: [
    'The output is the result of a task, or the reply to a request: JSON if it parses as JSON, else text. --json prints a line for each run.',
    ...COMMAND_NOTES,
    'With --type a message of another type counts as failed.',
  ],
  run: async (invocation) => {
    const { args, flags, session } = invocation;
    const { type, 'until-empty': untilEmpty, schedules } = flags;
    const plan = toPlannedCommand(invocation);
    const [name = ''] = args;
    // An agent must have registered. A queue may come later, so a worker on it makes the bus.
    if (!name.startsWith('@')) checkQueueName(name);
    if (!name.startsWith('@') && type === undefined) session.createsBus();
    const source = await findSource(name, session);
    if (type !== undefined && source.agent === undefined)
      throw invalid(
        '--type is for the inbox of an agent',
        'A worker takes each task of its queue. Use a queue for each kind.',
      );
    const { capabilities } = await session.transport();
    const handler = plan.handler(commandEnvironment(session, source.agent), capabilities.maxBodyBytes);
    const start = async (bus: Bus): Promise<void> => {
      if (source.agent === undefined) await bus.process(source.queue, handler, plan.consume);
      else await serve(bus, source.agent, { type, handler, plan });
      if (schedules) bus.schedules.start();
      noteStart(name, source, plan, session);
    };
    await consume(session, { queue: source.queue, untilEmpty, start });
    return DONE;
  },
});

/** The source that `name` means. A name without @ is a queue, unless only an agent has it. */
async function findSource(name: string, session: Session): Promise<Source> {
  if (name.startsWith('@')) {
    const before = await requireMailbox(name, session);
    return { queue: before.name, agent: name, before };
  }
  const { admin } = await session.transport();
  const known = await admin.queues({ names: [name, inboxOf(name)], ...session.call });
  const before = known.find((queue) => queue.name === name) ?? known[0];
  return {
    queue: before?.name ?? name,
    agent: before === undefined || before.name === name ? undefined : name,
    before,
  };
}

interface Service {
  readonly type: string | undefined;
  readonly handler: (message: ReceivedMessage, context: Context) => Promise<unknown>;
  readonly plan: PlannedCommand;
}

/** Takes the agent online, with the capabilities and the note that it has. */
async function serve(bus: Bus, name: string, { type = '*', handler, plan }: Service): Promise<void> {
  const { capabilities, note } = (await findIdentity(name, bus.transport)) ?? {};
  const { concurrency: maxConcurrent, ...options } = plan.consume;
  const agent = await bus.agent(name, { ...options, maxConcurrent, capabilities, note });
  agent.handle(type, handler);
}

function noteStart(name: string, { before }: Source, { consume: { leaseMs } }: PlannedCommand, { out }: Session): void {
  const old = before?.settings.leaseMs;
  const change =
    old === undefined || old === leaseMs
      ? ''
      : `; its leases last ${formatDuration(leaseMs)} now, not ${formatDuration(old)}`;
  out.note(`busbar: working on ${name}${change}`);
}
