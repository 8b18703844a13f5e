/** The results of the children of a flow, for the handler of their parent. */

import { toBusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';
import type { BusRuntime } from '../runtime.ts';
import { readParts } from '../tasks/result-parts.ts';
import { resultOf } from '../tasks/task-follower.ts';
import type { ChildResult } from './child-result.ts';
import { type ChildState, readChildren } from './child-states.ts';
import { flowOf } from './flow-id.ts';
import { FlowStore } from './flow-record.ts';

const MAX_READS = 20;
/** The codes of children without a result. Other errors are those of the call. */
const ENDS: ReadonlySet<string> = new Set(['HANDLER_FAILED', 'ABORTED', 'NOT_FOUND', 'INVALID_ARGUMENT']);

/** The children of a task, in the order of the flow; none for a task that is no parent. */
export async function childResults(runtime: BusRuntime, delivery: Delivery): Promise<ChildResult[]> {
  const flow = flowOf(delivery);
  if (flow === undefined) return [];
  const record = await new FlowStore(runtime.transport).read(flow);
  if (record === undefined) return [];
  const states = await readChildren(runtime.transport, flow, record);
  const results: ChildResult[] = [];
  for (let start = 0; start < states.length; start += MAX_READS) {
    const page = states.slice(start, start + MAX_READS);
    results.push(...(await Promise.all(page.map((state) => toResult(runtime, state)))));
  }
  return results;
}

async function toResult(runtime: BusRuntime, { id, queue, end }: ChildState): Promise<ChildResult> {
  const { state } = end ?? { state: 'unknown' };
  try {
    const result = resultOf(id, end ?? { state: 'unknown' });
    const body = await readParts(runtime.transport.kv, result);
    return { id, queue, state: 'done', result: await runtime.bodyCodec.decode(body) };
  } catch (thrown) {
    const error = toBusbarError(thrown);
    if (!ENDS.has(error.code)) throw error;
    return { id, queue, state: state === 'done' ? 'unknown' : state, error };
  }
}
