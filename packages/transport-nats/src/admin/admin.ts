/** The operator's view of a namespace. */

import type { AdminDriver } from '@busbar/api/driver';
import type { AdminContext } from './admin-context.ts';
import { exportState } from './export.ts';
import { Importer } from './import.ts';
import { Inspection } from './inspect.ts';
import type { Operations } from './operate.ts';

export function openAdmin(context: AdminContext, operations: Operations): AdminDriver {
  const inspection = new Inspection(context);
  const importer = new Importer(context);
  return {
    queues: (filter) => inspection.queues(filter),
    topics: (page) => inspection.topics(page),
    bindings: () => inspection.bindings(),
    browse: (queue, filter) => inspection.browse(queue, filter),
    redrive: (queue, ids, limit) => operations.redrive(queue, ids, limit),
    purge: (queue, state, ids) => operations.purge(queue, state, ids),
    cancel: (queue, ids) => operations.cancel(queue, ids),
    reschedule: (queue, ids, delayMs) => operations.reschedule(queue, ids, delayMs),
    deleteQueue: (queue) => operations.deleteQueue(queue),
    clear: () => operations.clear(),
    exportState: () => exportState(context, inspection),
    importState: (records) => importer.import(records),
  };
}
