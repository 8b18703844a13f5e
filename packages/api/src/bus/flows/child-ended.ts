/** Wakes the parent of a child that has ended, if it waits for that child. */

import type { Transport } from '../../contract/transport.ts';
import { type FlowRef, placeOfChild, queueOfTaskId } from './flow-id.ts';
import { FlowStore } from './flow-record.ts';

/**
 * A task has ended: its settlement is stored. Does nothing for a task that is no child. A process that dies before this leaves
 * the parent asleep until its next look.
 */
export async function childEnded(transport: Transport, id: string, isFailed: boolean): Promise<void> {
  const place = placeOfChild(id);
  if (place === undefined) return;
  const { flow, index } = place;
  const store = new FlowStore(transport);
  const record = await store.read(flow);
  if (record === undefined) return;
  if (isFailed && record.onChildFailure === 'fail') await store.change(flow, (old) => ({ ...old, failed: index }));
  else if (record.awaited !== index) return;
  await wakeParent(transport, flow);
}

/** The parent is delivered now. Does nothing while a worker has it: that one looks again when it returns it. */
export async function wakeParent({ admin }: Transport, { parent }: FlowRef): Promise<void> {
  await admin.reschedule(queueOfTaskId(parent), [parent], 0);
}
