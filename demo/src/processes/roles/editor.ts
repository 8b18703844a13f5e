/** An editor: merges results into the report file, which it may write to only while it holds the lock. */

import { type Bus, isBusbarError, type Lock } from 'busbar';
import { REPORT_LOCK, RESULTS, TOPICS } from '../../bus/names.ts';
import { patiently } from '../../bus/retry-while-unavailable.ts';
import { appendResults } from '../../report/results-file.ts';
import { Batcher } from '../batcher.ts';
import type { AuditResult, LockUse } from '../process-event.ts';
import { playRole } from './play-role.ts';

/** How many results are merged with one write at most. */
const BATCH = 128;
/** How long the other waits where one lost the lock and does not know. */
const LOCK_TTL_MS = 2_000;

await playRole(async ({ brief, bus, tell }) => {
  const editor = await bus.agent(brief.name, { capabilities: ['edit'] });
  const batcher = new Batcher<{ result: AuditResult; attempt: number }>(BATCH, async (items) => {
    const { lock, use } = await takeLock(bus, brief.name);
    try {
      await appendResults(
        brief.results,
        lock.token,
        items.map(({ result }) => result),
      );
      // Only what was written under a lock that still holds counts. If this fails the results come again.
      await lock.extend();
    } finally {
      await lock.release();
    }
    // A token is given once, and so is the id: published again, it is the same event.
    const id = `merged-${lock.token}`;
    const news = { results: items.length, by: brief.name };
    const event = await patiently(() => editor.publish(TOPICS.merged, news, { id }));
    await tell({ kind: 'merged', attempts: items.map(({ attempt }) => attempt), lock: use, event: event.id });
  });
  const options = { consumer: brief.name, concurrency: BATCH, leaseMs: brief.leaseMs, resultTtlMs: 0 };
  await bus.process<AuditResult>(RESULTS, options, (task) => batcher.add({ result: task.body, attempt: task.attempt }));
});

/** Takes the lock, and says whether it had to wait for the other editor. */
async function takeLock(bus: Bus, owner: string): Promise<{ lock: Lock; use: LockUse }> {
  const begun = performance.now();
  const options = { ttlMs: LOCK_TTL_MS, owner };
  try {
    const lock = await bus.lock(REPORT_LOCK, { ...options, waitMs: 0 });
    return { lock, use: { waited: false, waitedMs: performance.now() - begun } };
  } catch (error) {
    if (!isBusbarError(error) || error.code !== 'CONFLICT') throw error;
    const lock = await bus.lock(REPORT_LOCK, options);
    return { lock, use: { waited: true, waitedMs: performance.now() - begun } };
  }
}
