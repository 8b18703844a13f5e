/** The states of the children of a flow, from their records and their queues. */

import type { BrowsedMessage } from '../../contract/admin.ts';
import type { Transport } from '../../contract/transport.ts';
import type { TaskEnd } from '../tasks/task-follower.ts';
import { decodeRecord, type TaskRecord, taskKey } from '../tasks/task-record.ts';
import { deadOf, pendingOf } from '../tasks/task-state.ts';
import type { FlowRef } from './flow-id.ts';
import { childOf, type FlowRecord } from './flow-record.ts';

/** A child at one moment. */
export interface ChildState {
  readonly index: number;
  readonly id: string;
  readonly queue: string;
  /** Undefined while it waits or runs. `unknown`: there is no trace of it. */
  readonly end: TaskEnd | undefined;
}

type Child = Omit<ChildState, 'end'>;

const MAX_READS = 50;
const MAX_IDS = 500;

/** The children from place `from` to before `to`, in order. */
export async function readChildren(
  transport: Transport,
  flow: FlowRef,
  record: FlowRecord,
  [from, to]: readonly [number, number] = [0, record.of.length],
): Promise<ChildState[]> {
  const children = Array.from({ length: Math.max(0, to - from) }, (_, offset): Child => {
    const index = from + offset;
    return { index, id: childOf(flow, record, index), queue: record.queues[record.of[index] ?? 0] ?? '' };
  });
  const records = await readRecords(transport, children);
  const open = children.filter((_, at) => !isOver(records[at]));
  const found = await browseAll(transport, open);
  // A child can end between the two reads.
  const gone = open.filter(({ id }) => (found.get(id) ?? []).length === 0);
  const late = new Map((await readRecords(transport, gone)).map((one, at) => [gone[at]?.id, one]));
  return children.map((child, at) => {
    const last = late.get(child.id) ?? records[at];
    return { ...child, end: endOf(last, found.get(child.id) ?? []) };
  });
}

async function readRecords({ kv }: Transport, children: readonly Child[]): Promise<(TaskRecord | undefined)[]> {
  const all: (TaskRecord | undefined)[] = [];
  for (let start = 0; start < children.length; start += MAX_READS) {
    const entries = await Promise.all(children.slice(start, start + MAX_READS).map(({ id }) => kv.get(taskKey(id))));
    all.push(...entries.map((entry) => entry && decodeRecord(entry.value)));
  }
  return all;
}

async function browseAll({ admin }: Transport, children: readonly Child[]): Promise<Map<string, BrowsedMessage[]>> {
  const found = new Map<string, BrowsedMessage[]>(children.map(({ id }) => [id, []]));
  for (const [queue, all] of Map.groupBy(children, (child) => child.queue)) {
    for (let start = 0; start < all.length; start += MAX_IDS) {
      const ids = all.slice(start, start + MAX_IDS).map(({ id }) => id);
      const { messages } = await admin.browse(queue, { ids, limit: 1000 });
      for (const browsed of messages) found.get(browsed.message.id)?.push(browsed);
    }
  }
  return found;
}

function isOver(record: TaskRecord | undefined): boolean {
  return record?.state === 'done' || record?.state === 'cancelled';
}

function endOf(record: TaskRecord | undefined, messages: readonly BrowsedMessage[]): TaskEnd | undefined {
  if (record?.state === 'done') return { state: 'done', body: record.body };
  if (record?.state === 'cancelled') return { state: 'cancelled', reason: record.reason };
  if (pendingOf(messages) !== undefined) return undefined;
  const dead = deadOf(messages, record);
  if (dead === undefined) return { state: 'unknown' };
  const failure = record?.state === 'failed' ? record.failure : undefined;
  return { state: 'dead', reason: dead.dead?.reason ?? 'unknown', failure };
}
