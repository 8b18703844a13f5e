/** The coordinator finds the source files and enqueues one task for each. */

import { createHash } from 'node:crypto';
import { findSourceFiles } from '../../audit/source-files.ts';
import { AUDITS, TOPICS } from '../../bus/names.ts';
import { retryWhileUnavailable } from '../../bus/retry-while-unavailable.ts';
import type { ProcessConfig } from '../process-config.ts';
import type { AuditTask } from '../process-event.ts';
import { runRole } from '../run-role.ts';

const BATCH = 500;
const MAX_TASK_MS = 1_000;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

await runRole(async ({ config, bus, report }) => {
  const coordinator = await bus.agent(config.name, { capabilities: ['coordinate'] });
  return {
    begin: async () => {
      const files = await findSourceFiles(config.root);
      await report({ kind: 'found', files: files.length });
      if (files.length === 0) return;
      const event = await coordinator.publish(TOPICS.started, { files: files.length });
      const tasks = files.map((file, index): AuditTask => ({ file, index, takesMs: takesMs(config, files, index) }));
      for (let begin = 0; begin < tasks.length; begin += BATCH) {
        const batch = tasks.slice(begin, begin + BATCH);
        await retryWhileUnavailable(() => bus.enqueueAll(AUDITS, batch, ({ file }) => ({ dedupeKey: keyOf(file) })));
      }
      await report({ kind: 'enqueued', event: event.id });
    },
  };
});

/** Unequal times, so that some tasks are running whenever others end. */
function takesMs({ minRunMs, workers, concurrency }: ProcessConfig, files: readonly string[], index: number): number {
  const mean = Math.min(MAX_TASK_MS, (minRunMs * workers * concurrency) / files.length);
  return Math.floor(mean * (0.5 + ((index * GOLDEN) % 1)));
}

/** A dedupe key has at most 255 bytes and no control characters; a path may be longer. */
function keyOf(file: string): string {
  return createHash('sha256').update(file).digest('hex');
}
