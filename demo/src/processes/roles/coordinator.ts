/** The coordinator: finds the source files and puts one task in for each. */

import { createHash } from 'node:crypto';
import { findSourceFiles } from '../../audit/source-files.ts';
import { AUDITS, TOPICS } from '../../bus/names.ts';
import { patiently } from '../../bus/retry-while-unavailable.ts';
import type { Brief } from '../process-config.ts';
import type { AuditTask, News, Problem } from '../process-event.ts';
import { playRole } from './play-role.ts';

const BATCH = 500;
const TELL_EVERY_MS = 500;
/** A key may have 240 bytes and no control characters; a path may have more of both. */
const PLAIN_PATH = /^[\x20-\x7e]{1,200}$/;
/** What is to be killed has to be caught at work: a small tree is given this time. */
const WHOLE_RUN_MS = 2_000;
const MAX_TASK_MS = 200;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

await playRole(async ({ brief, bus, tell }) => {
  const coordinator = await bus.agent(brief.name, { capabilities: ['coordinate'] });
  return {
    begin: async () => {
      const { files, problems } = await findAll(brief.root, tell);
      await tell({ kind: 'found', files: files.length, problems });
      if (files.length === 0) return;
      const event = await coordinator.publish(TOPICS.started, { files: files.length });
      const tasks = files.map(
        (file, index): AuditTask => ({ file, index, takesMs: takesMs(brief, files.length, index) }),
      );
      for (let begin = 0; begin < tasks.length; begin += BATCH) {
        const batch = tasks.slice(begin, begin + BATCH);
        await patiently(() => bus.enqueueAll(AUDITS, batch, ({ file }) => ({ dedupeKey: keyOf(file) })));
      }
      await tell({ kind: 'enqueued', event: event.id });
    },
  };
});

async function findAll(
  root: string,
  tell: (news: News) => Promise<void>,
): Promise<{ files: string[]; problems: Problem[] }> {
  const files: string[] = [];
  const problems: Problem[] = [];
  let toldAt = performance.now();
  for await (const found of findSourceFiles(root)) {
    if (found.kind === 'problem') problems.push({ path: found.path, problem: found.problem });
    else files.push(found.path);
    if (performance.now() - toldAt < TELL_EVERY_MS) continue;
    toldAt = performance.now();
    await tell({ kind: 'finding', files: files.length });
  }
  return { files, problems };
}

/** How long a task takes at least. Unequal times, so that some are under way whenever others end. */
function takesMs({ kills, slots }: Brief, files: number, index: number): number {
  if (!kills) return 0;
  const mean = Math.min(MAX_TASK_MS, (WHOLE_RUN_MS * slots) / files);
  return Math.floor(mean * (0.5 + ((index * GOLDEN) % 1)));
}

/** A file has the same key in every run: putting it in again adds nothing. */
function keyOf(file: string): string {
  return PLAIN_PATH.test(file) ? file : createHash('sha256').update(file).digest('hex');
}
