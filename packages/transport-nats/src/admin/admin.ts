/** The operator's view of a namespace. */

import type { AdminDriver, CallContext } from '@busbar/api/driver';
import type { StoreGate } from '../gate/store-gate.ts';
import type { AdminContext, ImportContexts } from './admin-context.ts';
import { exportState } from './export.ts';
import { openGate } from './gate.ts';
import { Importer } from './import.ts';
import { Inspection } from './inspect.ts';
import { Operations } from './operate.ts';

export function openAdmin(
  context: AdminContext,
  operations: Operations,
  gate: StoreGate,
  imports: ImportContexts,
): AdminDriver {
  const inspection = new Inspection(context);
  /** Calls `act` in an open store only. */
  const whenOpen = async <T>(act: () => Promise<T>, bounds: CallContext): Promise<T> => {
    if (gate.isClosed) await gate.assertOpen(bounds);
    return act();
  };
  return {
    queues: (filter) => inspection.queues(filter),
    topics: (page) => inspection.topics(page),
    bindings: () => inspection.bindings(),
    browse: (queue, filter) => inspection.browse(queue, filter),
    redrive: (queue, ids, limit, bounds) => whenOpen(() => operations.redrive(queue, ids, limit), bounds),
    purge: (queue, state, ids, bounds) => whenOpen(() => operations.purge(queue, state, ids), bounds),
    cancel: (queue, ids, bounds) => whenOpen(() => operations.cancel(queue, ids), bounds),
    reschedule: (queue, ids, delayMs, bounds) => whenOpen(() => operations.reschedule(queue, ids, delayMs), bounds),
    deleteQueue: (queue, bounds) => whenOpen(() => operations.deleteQueue(queue), bounds),
    clear: async (gateRevision) => new Operations(await imports.forCall(gateRevision)).clear(),
    exportState: () => exportState(context, inspection),
    importState: async (records, gateRevision) => new Importer(await imports.forCall(gateRevision)).import(records),
    ...openGate(gate, context, imports),
  };
}
