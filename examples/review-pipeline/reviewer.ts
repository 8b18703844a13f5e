/** Reviews files: up to four at a time in this process, and 20 a second in all processes. */

import { setTimeout } from 'node:timers/promises';
import { isBusbarError, RetryError } from 'busbar';
import { EXPERT, REVIEW_DONE, REVIEWS, type Remark, type Review, type SourceFile } from './messages.ts';
import type { Setting } from './setting.ts';

/** How long this reviewer reads a file. */
const READ_MS = Number(process.env['PIPELINE_READ_MS'] ?? 20);

export async function reviewer({ bus }: Setting): Promise<void> {
  await bus.process<SourceFile, Review>(
    REVIEWS,
    async ({ body, attempt }, ctx) => {
      console.log(`reviewing ${body.name}, attempt ${attempt}`);
      await setTimeout(READ_MS, undefined, { signal: ctx.signal });
      const remarks: Remark[] = [];
      try {
        const stream = ctx.requestStream<Remark>(EXPERT, 'inspect', body, { timeoutMs: 20_000 });
        for await (const remark of stream) remarks.push(remark);
      } catch (error) {
        if (!isBusbarError(error) || error.code !== 'NO_RESPONDER') throw error;
        throw new RetryError('no expert is online', { afterMs: 500, countAttempt: false });
      }
      const review: Review = { file: body.name, remarks };
      await ctx.publish(REVIEW_DONE, review); // an equal event of a later attempt is stored once
      return review;
    },
    // Tasks of a killed reviewer go to others when their lease ends.
    { concurrency: 4, leaseMs: 2_000, timeoutMs: 120_000, rateLimit: { max: 20, perMs: 1_000 } },
  );
}
