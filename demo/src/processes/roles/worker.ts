/** A worker: competes for tasks, audits the file of each, asks the expert about some, and hands the result on. */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { auditFile } from '../../audit/audit.ts';
import { AGENTS, AUDITS, RESULTS, REVIEW, TOPICS } from '../../bus/names.ts';
import type { AuditResult, AuditTask } from '../process-event.ts';
import { playRole } from './play-role.ts';

/** The expert is asked about every so many files. */
const ASK_EVERY = 10;
const ANSWER_WITHIN_MS = 10_000;

await playRole(async ({ brief, bus, tell }) => {
  await bus.agent(brief.name, { capabilities: ['audit'], ttlMs: 3 * brief.leaseMs });
  const { name: consumer, concurrency, leaseMs } = brief;
  const options = { consumer, concurrency, leaseMs, resultTtlMs: 0 };
  await bus.process<AuditTask>(AUDITS, options, async (task, context) => {
    const { file, index, takesMs } = task.body;
    const [audit] = await Promise.all([auditFile(join(brief.root, file), file), sleep(takesMs)]);
    let grade: string | undefined;
    if (index % ASK_EVERY === 0) {
      await tell({ kind: 'asked' });
      grade = await context.request<string>(AGENTS.expert, REVIEW, audit, { timeoutMs: ANSWER_WITHIN_MS });
      await tell({ kind: 'answered' });
    }
    const result: AuditResult = { id: task.id, worker: brief.name, audit, grade };
    // The ids of both follow from the id of the task: when it is handled again, neither is there twice.
    const [event] = await Promise.all([
      context.publish(TOPICS.audited, { file, status: audit.status, by: brief.name }),
      context.enqueue(RESULTS, result),
    ]);
    await tell({ kind: 'audited', id: task.id, attempt: task.attempt, event: event.id });
  });
});
