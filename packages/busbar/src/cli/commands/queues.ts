/** `busbar queues`: lists queues, inboxes and subscriptions with their counts. */

import type { RateLimit } from '@busbar/api';
import { rateLimits } from '@busbar/api/parts';
import type { QueueInfo } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { findQueues } from '../mail/mailbox.ts';
import { DONE } from '../output/exit-codes.ts';
import { kindOf, shortName } from '../output/queue-name.ts';
import { COUNT_HEADINGS, countsOf } from '../output/states.ts';
import { tableLines } from '../output/table.ts';
import { printWatched, WATCH_FLAG } from '../output/watch.ts';
import type { Session } from '../session.ts';
import { formatRate } from './limit.ts';

export const queues: Command = defineCommand({
  args: ['QUEUE...?'],
  flags: {
    kind: { kind: 'choice', choices: ['tasks', 'inbox', 'subscription'], help: 'only queues of this kind' },
    all: { kind: 'switch', help: 'show internal queues too' },
    ...WATCH_FLAG,
  },
  examples: [
    ['busbar queues', 'task queues, inboxes and subscriptions'],
    ['busbar queues build @worker --watch', 'some of them, again and again'],
    ['busbar queues --kind tasks --json', 'as JSON lines, with their settings'],
  ],
  notes: [
    'READY, DELAYED, HELD and DEAD count what a queue has now. DONE and EXPIRED count since it was created.',
    'OLDEST is the age of the oldest ready message. NOTE says whether a queue is paused or frozen, and its rate limit.',
  ],
  run: async ({ args, flags: { kind, all, watch }, session }) => {
    const { out } = session;
    await printWatched(session, watch, async () => {
      const found = args.length === 0 ? await allQueues(session) : await namedQueues(args, session);
      const shown = found.filter(({ name }) =>
        kind === undefined ? all || args.length > 0 || kindOf(name) !== 'internal' : kindOf(name) === kind,
      );
      if (shown.length === 0) out.note('busbar: no queues');
      const limits = await rateLimits((await session.transport()).kv, session.call);
      const rows = shown.map((queue) => toRow(queue, limits.get(queue.name)));
      // That a queue is paused is never left out.
      const note = rows.some((row) => row.at(-1) !== '') ? 'NOTE' : '?NOTE';
      const headings = ['!QUEUE', ...COUNT_HEADINGS, '#OLDEST', '?KIND', note];
      const lines = (): string[] => (rows.length === 0 ? [] : tableLines(headings, rows, out));
      return { values: shown.map((queue) => toJson(queue, limits.get(queue.name))), lines };
    });
    return DONE;
  },
});

async function allQueues(session: Session): Promise<QueueInfo[]> {
  const { admin } = await session.transport();
  const found: QueueInfo[] = [];
  for (let after: string | undefined; ; ) {
    const page = await admin.queues({ after, ...session.call });
    found.push(...page);
    after = page.at(-1)?.name;
    if (after === undefined) return found;
  }
}

/** Every queue that one of the names means. Throws NOT_FOUND for a name without any. */
async function namedQueues(names: readonly string[], session: Session): Promise<QueueInfo[]> {
  const found = await Promise.all(names.map((name) => findQueues(name, session)));
  const { admin } = await session.transport();
  return admin.queues({ names: [...new Set(found.flat())], ...session.call });
}

function toRow(queue: QueueInfo, rateLimit: RateLimit | undefined): string[] {
  const { name, ready, oldestAgeMs, settings } = queue;
  const rate = rateLimit === undefined ? '' : formatRate(rateLimit);
  const states = [settings.paused ? 'paused' : '', settings.frozen ? 'frozen' : ''];
  const notes = [...states, rate].filter((text) => text !== '');
  return [
    shortName(name),
    ...countsOf(queue).map(String),
    ready === 0 ? '-' : formatDuration(oldestAgeMs),
    kindOf(name),
    notes.join(', '),
  ];
}

function toJson(queue: QueueInfo, rateLimit: RateLimit | undefined): unknown {
  const { name, ready, delayed, leased, dead, oldestAgeMs, totals, settings } = queue;
  const counts = { ready, delayed, held: leased, done: totals.done, expired: totals.expired, dead, sent: totals.sent };
  return {
    queue: shortName(name),
    kind: kindOf(name),
    name,
    ...counts,
    oldestAgeMs: Math.round(oldestAgeMs),
    settings: { ...settings, ...(rateLimit !== undefined && { rateLimit }) },
  };
}
