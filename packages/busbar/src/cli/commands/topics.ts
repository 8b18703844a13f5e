/** `busbar topics`: lists topics with their events and durable subscriptions. */

import { checkPattern, matchTopic, type TopicInfo } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { DONE } from '../output/exit-codes.ts';
import { shortName } from '../output/queue-name.ts';
import { tableLines } from '../output/table.ts';
import { printWatched, WATCH_FLAG } from '../output/watch.ts';
import type { Session } from '../session.ts';

export const topics: Command = defineCommand({
  args: ['PATTERN?'],
  flags: { ...WATCH_FLAG },
  examples: [
    ['busbar topics', 'topics with history or subscriptions'],
    [`busbar topics 'user.>'`, 'some of them; quote the pattern'],
  ],
  notes: [
    'EVENTS counts the events that are kept. SUBSCRIPTIONS are durable; live ones are not stored.',
    'busbar tail TOPIC --from start prints the events.',
  ],
  run: async ({ args: [pattern = '>'], flags: { watch }, session }) => {
    const { out } = session;
    checkPattern(pattern);
    await printWatched(session, watch, async () => {
      const { admin } = await session.transport();
      const [all, bindings] = await Promise.all([allTopics(session), admin.bindings(session.call)]);
      const found = all.filter(({ name }) => !name.startsWith('$') && matchTopic(pattern, name));
      const views = found.map(({ name, events }) => {
        const bound = bindings
          .filter((binding) => matchTopic(binding.pattern, name))
          .map(({ queue }) => shortName(queue));
        return { topic: name, events, subscriptions: [...new Set(bound)] };
      });
      if (views.length === 0) out.note('busbar: no topics');
      const rows = views.map(({ topic, events, subscriptions }) => [topic, String(events), subscriptions.join(', ')]);
      const lines = (): string[] =>
        rows.length === 0 ? [] : tableLines(['!TOPIC', '#EVENTS', 'SUBSCRIPTIONS'], rows, out);
      return { values: views, lines };
    });
    return DONE;
  },
});

async function allTopics(session: Session): Promise<TopicInfo[]> {
  const { admin } = await session.transport();
  const found: TopicInfo[] = [];
  for (let after: string | undefined; ; ) {
    const page = await admin.topics({ after, ...session.call });
    found.push(...page);
    after = page.at(-1)?.name;
    if (after === undefined) return found;
  }
}
