/** Makes a task of each file of a change, waits for all reviews, and sends the report. Publishes a digest by a schedule. */

import {
  CHANGE_DONE,
  type Change,
  COORDINATOR,
  DIGEST,
  REVIEW_DONE,
  REVIEWS,
  type Report,
  type Review,
} from './messages.ts';
import type { Setting } from './setting.ts';

export async function coordinator({ bus }: Setting): Promise<void> {
  const agent = await bus.agent(COORDINATOR, { leaseMs: 2_000 }); // after a kill, another one goes on soon
  agent.handle<Change>('change', async ({ id, from, body: { files } }, ctx) => {
    // Should this process be killed, the next attempt sends equal tasks. They are stored once.
    const tasks = await Promise.all(files.map((file) => ctx.enqueue<unknown, Review>(REVIEWS, file)));
    const bounds = { timeoutMs: Number.POSITIVE_INFINITY, signal: ctx.signal };
    const report: Report = { change: id, reviews: await Promise.all(tasks.map((task) => task.result(bounds))) };
    await ctx.publish(CHANGE_DONE, report);
    if (from !== undefined) await ctx.send(from, 'report', report);
  });

  await bus.process('digests', async (_, ctx) => {
    const reviewed = new Set<string>();
    for await (const { body } of bus.history<Review>(REVIEW_DONE)) reviewed.add(body.file);
    await ctx.publish(DIGEST, { files: reviewed.size });
  });
  const cron = process.env['PIPELINE_DIGEST'] ?? '0 9 * * 1-5';
  await bus.schedules.put('digest', { cron, timeZone: 'Europe/Berlin', queue: 'digests' });
  bus.schedules.start();
}
