/** An editor merges results into the results file, and writes only while it holds the lock. */

import { LIVE, RESULTS, RESULTS_LOCK, TOPICS } from '../../bus/names.ts';
import { retryWhileUnavailable } from '../../bus/retry-while-unavailable.ts';
import { appendResults } from '../../report/results-file.ts';
import { Batcher } from '../batcher.ts';
import type { AuditResult } from '../process-event.ts';
import { runRole } from '../run-role.ts';

/** At most this many results go into one write. */
const BATCH = 128;
/** The lock of a killed editor is free after this time. */
const LOCK_TTL_MS = 2_000;

await runRole(async ({ config, bus, report }) => {
  const editor = await bus.agent(config.name, { capabilities: ['edit'] });
  const batcher = new Batcher<{ result: AuditResult; attempt: number }>(BATCH, async (items) => {
    const begun = performance.now();
    const lock = await bus.lock(RESULTS_LOCK, { leaseMs: LOCK_TTL_MS, owner: config.name });
    const waitedMs = performance.now() - begun;
    const body = { results: items.length, by: config.name };
    const live = editor.publish(LIVE.writing, body, { ephemeral: true });
    live.catch(() => undefined); // It only shows what is done now.
    try {
      const results = items.map(({ result }) => result);
      await appendResults(config.results, lock.token, results);
      // Rejects if the lock was lost before the write; then nothing is acked and the results come again.
      await lock.extend();
    } finally {
      await lock.release();
    }
    // The token is unique, so a repeated publish has the same id and stores one event.
    const id = `merged-${lock.token}`;
    const event = await retryWhileUnavailable(() => editor.publish(TOPICS.merged, body, { id }));
    await report({ kind: 'merged', attempts: items.map(({ attempt }) => attempt), waitedMs, event: event.id });
  });
  const options = { consumer: config.name, concurrency: BATCH, leaseMs: config.leaseMs, resultTtlMs: 0 };
  const worker = await bus.process<AuditResult>(
    RESULTS,
    (task) => batcher.add({ result: task.body, attempt: task.attempt }),
    options,
  );
  // A handler whose lease was lost may still publish an event.
  return { flush: async () => void (await worker.drain()) };
});
