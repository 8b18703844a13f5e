/** Operations on an audited transport. */

import type { Admin } from '@busbar/api/transport';
import type { Recorder } from './recorder.ts';

/** The same operations; those that change messages are recorded. */
export function auditAdmin(admin: Admin, { writer }: Recorder): Admin {
  return {
    ...admin,
    async redrive(queue, options) {
      const count = await admin.redrive(queue, options);
      writer.write({ action: 'redriven', queue, count, ids: options?.ids });
      return count;
    },
    async purge(queue, options) {
      const count = await admin.purge(queue, options);
      writer.write({ action: 'purged', queue, count, state: options.state, ids: options.ids });
      return count;
    },
    async cancel(queue, ids, options) {
      const results = await admin.cancel(queue, ids, options);
      for (const { id, status } of results) if (status === 'done') writer.write({ action: 'cancelled', queue, id });
      return results;
    },
    async reschedule(queue, ids, delayMs, options) {
      const results = await admin.reschedule(queue, ids, delayMs, options);
      for (const { id, status } of results) {
        if (status === 'done') writer.write({ action: 'rescheduled', queue, id, delayMs });
      }
      return results;
    },
    async deleteQueue(queue, options) {
      const existed = await admin.deleteQueue(queue, options);
      if (existed) writer.write({ action: 'deleted', queue });
      return existed;
    },
    async clear(options) {
      await admin.clear(options);
      writer.write({ action: 'cleared' });
    },
    async importState(records, options) {
      const count = await admin.importState(records, options);
      writer.write({ action: 'imported', count });
      return count;
    },
  };
}
