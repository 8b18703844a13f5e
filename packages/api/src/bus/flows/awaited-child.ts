/** The child that a parent waits for, for those who look at the parent. */

import type { BrowsedMessage } from '../../contract/admin.ts';
import type { CallOptions } from '../../contract/call-options.ts';
import type { Transport } from '../../contract/transport.ts';
import { type FlowRef, flowOf } from './flow-id.ts';
import { childOf, readFlow } from './flow-record.ts';

/** What is known of a task that may be a parent. */
type Looked = Pick<BrowsedMessage, 'message' | 'state'>;

/** Whether a task waits for a child. */
export async function isWaiting(
  transport: Pick<Transport, 'kv'>,
  looked: Looked,
  bounds?: CallOptions,
): Promise<boolean> {
  const flow = flowOfWaiting(looked);
  const record = flow && (await readFlow(transport, flow, bounds));
  return record !== undefined && record.awaited >= 0;
}

/**
 * The id of the child that a task waits for: those after it in the flow have ended. Undefined for a task that is no parent, or
 * whose children have all ended.
 */
export async function awaitedChild(
  transport: Pick<Transport, 'kv'>,
  looked: Looked,
  bounds?: CallOptions,
): Promise<string | undefined> {
  const flow = flowOfWaiting(looked);
  const record = flow && (await readFlow(transport, flow, bounds));
  return flow === undefined || record === undefined || record.awaited < 0
    ? undefined
    : childOf(flow, record, record.awaited);
}

/** The flow of a task that is due later; undefined for any other one. */
function flowOfWaiting({ message, state }: Looked): FlowRef | undefined {
  return state === 'delayed' ? flowOf(message) : undefined;
}
