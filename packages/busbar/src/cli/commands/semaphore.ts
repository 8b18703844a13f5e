/** `busbar semaphore`: runs a command in one of several slots. */

import { invalid } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { holdDuring, LOCK_FLAGS, LOCK_NOTES } from '../work/hold-lock.ts';
import { toCommandLine } from '../work/program.ts';

export const semaphore: Command = defineCommand({
  args: ['NAME'],
  runs: 'CMD',
  flags: {
    permits: { kind: 'integer', short: 'n', min: 1, max: 1000, help: 'how many may run at a time; the same for all' },
    ...LOCK_FLAGS,
  },
  examples: [
    ['busbar semaphore gpu -n 3 -- ./train.sh', 'at most three at a time on the whole bus'],
    ['busbar semaphore gpu -n 3 --wait 10m -- ./train.sh', 'exit 4 without a slot in time'],
  ],
  notes: [...LOCK_NOTES],
  run: async ({ args: [name = ''], flags, session, command: words }) => {
    const { permits } = flags;
    if (permits === undefined) throw invalid('--permits is missing', 'Write -n 3 for three at a time.');
    const command = toCommandLine(words, session.env);
    session.createsBus();
    const bus = await session.bus();
    const what = `semaphore ${JSON.stringify(name)}`;
    const take = bus.semaphore.bind(bus, name);
    return holdDuring(session, { what, name, command, flags, take: (options) => take({ ...options, permits }) });
  },
});
