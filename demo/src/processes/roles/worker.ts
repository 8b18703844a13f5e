/** A worker competes for tasks: it audits a file, asks the expert about some, and enqueues the result. */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { auditFile } from '../../audit/audit.ts';
import { AGENTS, AUDITS, LIVE, RESULTS, REVIEW, TOPICS } from '../../bus/names.ts';
import type { AuditResult, AuditTask } from '../process-event.ts';
import { runRole } from '../run-role.ts';

/** The worker asks the expert about every tenth file. */
const ASK_EVERY = 10;
const REQUEST_TIMEOUT_MS = 10_000;

await runRole(async ({ config, bus, report }) => {
  await bus.agent(config.name, { capabilities: ['audit'], presenceTtlMs: 3 * config.leaseMs });
  const { name: consumer, concurrency, leaseMs } = config;
  const options = { consumer, concurrency, leaseMs, resultTtlMs: 0 };
  const worker = await bus.process<AuditTask>(
    AUDITS,
    async (task, context) => {
      const { file, index, takesMs } = task.body;
      await context.publish(LIVE.begun, { file, by: config.name }, { ephemeral: true });
      const [audit] = await Promise.all([auditFile(join(config.root, file), file), sleep(takesMs)]);
      let grade: string | undefined;
      if (index % ASK_EVERY === 0) {
        await report({ kind: 'asked' });
        grade = await context.request<string>(AGENTS.expert, REVIEW, audit, { timeoutMs: REQUEST_TIMEOUT_MS });
        await report({ kind: 'answered' });
      }
      await context.publish(LIVE.ended, { file, by: config.name }, { ephemeral: true });
      const result: AuditResult = { id: task.id, worker: config.name, audit, grade };
      // The context derives ids from the task's id and the body. The event names no worker, so that a second one stores it once.
      const [event] = await Promise.all([context.publish(TOPICS.audited, { file }), context.enqueue(RESULTS, result)]);
      await report({ kind: 'audited', id: task.id, attempt: task.attempt, event: event.id });
    },
    options,
  );
  // A handler whose lease was lost may still publish an event.
  return { flush: async () => void (await worker.drain()) };
});
