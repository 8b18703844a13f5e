/** `busbar register`: a lasting mailbox. */

import { type Command, defineCommand } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { checkAgent, findIdentity } from '../mail/mailbox.ts';
import { announce } from '../mail/presence.ts';
import { DONE } from '../output/exit-codes.ts';

/** People and models work longer on a message than programs do. */
const SHELL_LEASE_MS = 600_000;

export const register: Command = defineCommand({
  args: ['NAME?'],
  flags: {
    capability: { kind: 'list', value: 'NAME', help: 'something it can do; may be repeated' },
    note: { kind: 'text', value: 'TEXT', max: 1000, help: 'what it is, for people' },
    lease: { kind: 'duration', min: 50, max: 43_200_000, help: 'how long a received message is held (default 10m)' },
  },
  examples: [
    ['busbar register @reviewer --capability review --note "reads diffs"', 'its mailbox lasts'],
    ['BUSBAR_AGENT=@reviewer busbar register', 'the same name for all commands'],
  ],
  notes: [
    'Registering again changes what is said and keeps the rest; it does no harm. Presence ends with the heartbeat, the mailbox does not: messages to an agent that is away wait for it.',
  ],
  run: async ({ args, flags, session }) => {
    const { out } = session;
    const name = session.inboxOwner(args[0]);
    const bus = await session.bus();
    checkAgent(name);
    const isNew = (await findIdentity(name, bus.transport)) === undefined;
    const leaseMs = flags.lease ?? (isNew ? SHELL_LEASE_MS : undefined);
    await bus.agent(name, {
      capabilities: flags.capability,
      presence: false,
      ...(flags.note === undefined ? {} : { note: flags.note }),
      ...(leaseMs === undefined ? {} : { leaseMs }),
    });
    await announce(bus.transport, name);
    if (out.json)
      await out.jsonLines([
        { name, created: isNew, capabilities: flags.capability, ...(leaseMs === undefined ? {} : { leaseMs }) },
      ]);
    else await out.lines([name]);
    const held = leaseMs === undefined ? '' : `; what it receives is held for ${formatDuration(leaseMs)}`;
    out.note(`busbar: ${isNew ? 'registered' : 'registered before'}${held}`);
    return DONE;
  },
});
