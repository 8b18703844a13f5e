/** `busbar help`: the list of verbs, the help of one verb, and topics. */

import { type Command, defineCommand, findVerb } from '../command.ts';
import { overview, TOPICS, verbHelp } from '../help.ts';
import { DONE } from '../output/exit-codes.ts';

export const help: Command = defineCommand({
  args: ['VERB|TOPIC?'],
  flags: {},
  examples: [
    ['busbar help', 'all verbs and global flags'],
    ['busbar help send', 'the same as busbar send --help'],
    ['busbar help exit-codes', 'a topic'],
  ],
  notes: [`The topics are ${Object.keys(TOPICS).join(', ')}. docs/cli.md has all of this as one page.`],
  run: async ({ args: [name], session: { out }, verbs }) => {
    const topic = name !== undefined && Object.hasOwn(TOPICS, name) ? TOPICS[name] : undefined;
    if (name === undefined) await out.lines(overview(verbs, out));
    else if (topic !== undefined) await out.lines(topic(out));
    else {
      const { summary, load } = findVerb(name, verbs);
      await out.lines(verbHelp(name, summary, await load(), out));
    }
    return DONE;
  },
});
