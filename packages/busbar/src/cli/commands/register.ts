/** `busbar register`: creates the mailbox of an agent. */

import { type Command, defineCommand } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { checkAgent, findIdentity } from '../mail/mailbox.ts';
import { announce } from '../mail/presence.ts';
import { DONE } from '../output/exit-codes.ts';

/** People and language models take longer for a message than programs. */
const SHELL_LEASE_MS = 600_000;

export const register: Command = defineCommand({
  args: ['NAME?'],
  flags: {
    capability: { kind: 'list', value: 'NAME', help: 'a capability; may be repeated' },
    note: { kind: 'text', value: 'TEXT', max: 1000, help: 'a description' },
    lease: { kind: 'duration', min: 50, max: 43_200_000, help: 'length of leases of its inbox (default 10m)' },
  },
  examples: [
    ['busbar register @reviewer --capability review --note "reads diffs"', 'prints its name'],
    ['BUSBAR_AGENT=@reviewer busbar register', 'the same agent for all commands'],
  ],
  notes: [
    'Registering again updates the given fields and keeps the rest. The mailbox stays when the agent goes offline, and messages wait in it.',
  ],
  run: async ({ args, flags, session }) => {
    const { out } = session;
    const name = session.inboxOwner(args[0]);
    checkAgent(name);
    session.createsBus();
    const bus = await session.bus();
    const before = await findIdentity(name, bus.transport);
    const isNew = before === undefined;
    const capabilities = flags.capability.length > 0 ? flags.capability : (before?.capabilities ?? []);
    const leaseMs = flags.lease ?? (isNew ? SHELL_LEASE_MS : undefined);
    await bus.agent(name, {
      capabilities,
      presence: false,
      note: flags.note ?? before?.note,
      leaseMs,
    });
    await announce(bus.transport, name);
    if (out.json) await out.jsonLines([{ name, created: isNew, capabilities, leaseMs }]);
    else await out.lines([name]);
    const held = leaseMs === undefined ? '' : `; leases last ${formatDuration(leaseMs)}`;
    out.note(`busbar: ${isNew ? 'registered' : 'already registered'}${held}`);
    return DONE;
  },
});
