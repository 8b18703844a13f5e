/** Makes a flow of each change: a task for each file, then one for the report. Publishes a digest by a schedule. */

import {
  CHANGE_DONE,
  type Change,
  COORDINATOR,
  DIGEST,
  REPORTS,
  REVIEW_DONE,
  REVIEWS,
  type Report,
  type ReportTask,
  type Review,
} from './messages.ts';
import type { Setting } from './setting.ts';

/** After a kill another process goes on within this time. */
const SOON_MS = 2_000;

export async function coordinator({ bus }: Setting): Promise<void> {
  const agent = await bus.agent(COORDINATOR, { leaseMs: SOON_MS });
  agent.handle<Change>('change', async ({ id, from, body: { files } }, ctx) => {
    const body: ReportTask = { change: id, author: from };
    const children = files.map((file) => ({ queue: REVIEWS, body: file }));
    // Should this process be killed, the next attempt begins no second flow.
    await ctx.flow({ queue: REPORTS, body, children, onChildFailure: 'ignore', checkMs: SOON_MS });
  });

  await bus.process<ReportTask, void>(
    REPORTS,
    async ({ body: { change, author } }, ctx) => {
      const children = await ctx.children<Review>();
      const reviews = children.flatMap((child) => (child.state === 'done' ? [child.result] : []));
      const report: Report = { change, reviews, failed: children.length - reviews.length };
      await ctx.publish(CHANGE_DONE, report);
      if (author !== undefined) await ctx.send(author, 'report', report);
    },
    { leaseMs: SOON_MS },
  );

  await bus.process('digests', async (_, ctx) => {
    const reviewed = new Set<string>();
    for await (const { body } of bus.history<Review>(REVIEW_DONE)) reviewed.add(body.file);
    await ctx.publish(DIGEST, { files: reviewed.size });
  });
  const cron = process.env['PIPELINE_DIGEST'] ?? '0 9 * * 1-5';
  await bus.schedules.put('digest', { cron, timeZone: 'Europe/Berlin', queue: 'digests' });
  bus.schedules.start();
}
