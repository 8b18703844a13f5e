/** The admin facet of the store that carries the bus. The gate belongs to the mover, so it has none. */

import type { AdminDriver, CallContext } from '@busbar/api/driver';
import type { StateRecord } from '@busbar/api/transport';
import { boundsOf, ownError } from '../../inner/calls.ts';
import { isPart } from '../record-counter.ts';
import type { MigrateCalls } from './calls.ts';

export function openAdmin(calls: MigrateCalls): AdminDriver {
  return {
    queues: (filter, context) =>
      calls.read(context, ({ transport }) => transport.admin.queues({ ...filter, ...boundsOf(context) })),
    topics: (page, context) =>
      calls.read(context, ({ transport }) => transport.admin.topics({ ...page, ...boundsOf(context) })),
    bindings: (context) => calls.read(context, ({ transport }) => transport.admin.bindings(boundsOf(context))),
    browse: (queue, filter, context) =>
      calls.read(context, ({ transport }) => transport.admin.browse(queue, { ...filter, ...boundsOf(context) })),
    redrive: (queue, ids, limit, context) =>
      calls.run(context, ({ transport }) => transport.admin.redrive(queue, { ids, limit, ...boundsOf(context) })),
    purge: (queue, state, ids, context) =>
      calls.run(context, ({ transport }) => transport.admin.purge(queue, { state, ids, ...boundsOf(context) })),
    cancel: (queue, ids, context) =>
      calls.run(context, ({ transport }) => transport.admin.cancel(queue, ids, boundsOf(context))),
    reschedule: (queue, ids, delayMs, context) =>
      calls.run(context, ({ transport }) => transport.admin.reschedule(queue, ids, delayMs, boundsOf(context))),
    deleteQueue: (queue, context) =>
      calls.run(context, ({ transport }) => transport.admin.deleteQueue(queue, boundsOf(context))),
    clear: (gateRevision, context) =>
      calls.run(context, ({ transport }) => transport.admin.clear({ gateRevision, ...boundsOf(context) })),
    exportState: (context) => exportOwn(calls, context),
    importState: (records, gateRevision, context) =>
      calls.run(context, ({ transport }) =>
        transport.admin.importState(records, { gateRevision, ...boundsOf(context) }),
      ),
  };
}

async function* exportOwn(calls: MigrateCalls, context: CallContext): AsyncGenerator<StateRecord> {
  const { transport } = await calls.ready(context);
  try {
    for await (const record of transport.admin.exportState({ signal: context.signal })) {
      if (record.kind === 'revision' || isPart(record)) yield record;
    }
  } catch (error) {
    throw ownError(error);
  }
}
