/** `busbar guide`: a page that a coding agent can be given. */

import { type Command, defineCommand } from '../command.ts';
import { GUIDE } from '../guide.ts';
import { DONE } from '../output/exit-codes.ts';

export const guide: Command = defineCommand({
  args: [],
  flags: {},
  examples: [
    ['busbar guide', 'Markdown of less than 700 words'],
    ['busbar guide >> AGENTS.md', 'for agents that read this file'],
  ],
  run: async ({ session: { out } }) => {
    await (out.json ? out.jsonLines([{ guide: GUIDE }]) : out.lines([GUIDE]));
    return DONE;
  },
});
