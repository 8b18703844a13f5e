/** Sends the children of a flow. */

import type { CallOptions } from '../../contract/call-options.ts';
import { MAX_BATCH } from '../../contract/defaults.ts';
import type { Transport } from '../../contract/transport.ts';
import { toStored } from '../runtime.ts';
import { readChildren } from './child-states.ts';
import type { FlowRef } from './flow-id.ts';
import { type FlowRecord, FlowStore, type PlannedChild } from './flow-record.ts';

/** Sends children, and records that all of the flow are sent. Rejects when one was not stored. */
export async function sendChildren(
  transport: Transport,
  flow: FlowRef,
  children: readonly PlannedChild[],
  bounds?: CallOptions,
): Promise<FlowRecord | undefined> {
  for (const [queue, all] of Map.groupBy(children, (child) => child.queue)) {
    for (let start = 0; start < all.length; start += MAX_BATCH) {
      const inputs = all.slice(start, start + MAX_BATCH).map(({ input }) => input);
      const results = await transport.queues.send(queue, inputs, bounds);
      results.forEach(toStored);
    }
  }
  return new FlowStore(transport).sent(flow, bounds);
}

/** Sends the children that are not there: the process that began the flow has ended, or it is slow. */
export async function sendMissing(
  transport: Transport,
  flow: FlowRef,
  record: FlowRecord,
): Promise<FlowRecord | undefined> {
  const planned = await new FlowStore(transport).unsent(record);
  const states = await readChildren(transport, flow, record);
  const missing = planned.filter((_, index) => states[index]?.end?.state === 'unknown');
  return sendChildren(transport, flow, missing);
}
