/** Cancels tasks that were not started, with the children of those that are parents. */

import type { CallOptions } from '../../contract/call-options.ts';
import type { Transport } from '../../contract/transport.ts';
import type { BusEventEmitter } from '../observing/bus-events.ts';
import { Handling } from '../observing/handling.ts';
import { DEFAULT_RESULT_TTL_MS, encodeRecord, taskKey } from '../tasks/task-record.ts';
import { childEnded } from './child-ended.ts';
import { type FlowRef, flowOfKey, flowPrefix, placeOfChild, queueOfTaskId } from './flow-id.ts';
import { childOf, FLOW_TTL_MS, type FlowRecord, FlowStore } from './flow-record.ts';

/** Why tasks are cancelled, and the bounds of each call. */
export interface CancelReason extends CallOptions {
  readonly reason?: string | undefined;
}

/** The bus that cancels, which emits it. */
interface CancellingBus {
  readonly transport: Transport;
  readonly events: BusEventEmitter;
}

const MAX_PUTS = 50;
/** How long a worker may look at the children of a task, and how often that is tried. */
const LOOK_MS = 25;
const MAX_TRIES = 40;

/** Cancels a task before a worker starts it. Resolves with false when it was started, has ended or does not exist. */
export async function cancelWaiting(bus: CancellingBus, id: string, options: CancelReason): Promise<boolean> {
  for (let tries = 0; ; tries += 1) {
    const { cancelled, started } = await cancelAll(bus, queueOfTaskId(id), [id], options);
    if (cancelled.length > 0) break;
    if (!started || tries === MAX_TRIES || !(await isWaiting(bus, id, options))) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  await cancelChildren(bus, id, options);
  await childEnded(bus.transport, id, true);
  return true;
}

/** Cancels the children of a task that were not started, and their children. */
export async function cancelChildren(bus: CancellingBus, parent: string, options: CancelReason): Promise<void> {
  for (const { flow, record } of await flowsOf(bus, parent, options)) {
    await cancelFlow(bus, flow, record, options);
  }
}

/** Whether a task is the parent of a flow that has not started: a worker that has it only looks at its children. */
async function isWaiting(bus: CancellingBus, id: string, options: CancelReason): Promise<boolean> {
  return (await flowsOf(bus, id, options)).some(({ record }) => record.awaited >= 0);
}

async function flowsOf(
  { transport }: CancellingBus,
  parent: string,
  { reason: _, ...bounds }: CancelReason,
): Promise<{ readonly flow: FlowRef; readonly record: FlowRecord }[]> {
  const store = new FlowStore(transport);
  const found: { readonly flow: FlowRef; readonly record: FlowRecord }[] = [];
  for (const { key } of await transport.kv.list(flowPrefix(parent), bounds)) {
    const flow = flowOfKey(parent, key);
    const record = flow && (await store.read(flow));
    if (flow !== undefined && record !== undefined) found.push({ flow, record });
  }
  return found;
}

async function cancelFlow(bus: CancellingBus, flow: FlowRef, record: FlowRecord, options: CancelReason): Promise<void> {
  const parents = new Set(record.parents.map((index) => childOf(flow, record, index)));
  const ids = record.of.map((_, index) => childOf(flow, record, index));
  for (const [queue, own] of Map.groupBy(ids, queueOfTaskId)) {
    const { cancelled } = await cancelAll(bus, queue, own, options);
    for (const id of cancelled) if (parents.has(id)) await cancelChildren(bus, id, options);
  }
}

/** Resolves with those that were cancelled, and whether one of the others was started. */
async function cancelAll(
  bus: CancellingBus,
  queue: string,
  ids: readonly string[],
  { reason, ...bounds }: CancelReason,
): Promise<{ readonly cancelled: readonly string[]; readonly started: boolean }> {
  const { admin, kv } = bus.transport;
  const outcomes = await admin.cancel(queue, ids, bounds);
  const cancelled = ids.filter((_, index) => outcomes[index]?.status === 'done');
  const record = encodeRecord({ state: 'cancelled', sentAt: Date.now(), reason });
  try {
    for (let start = 0; start < cancelled.length; start += MAX_PUTS) {
      const puts = cancelled.slice(start, start + MAX_PUTS).map((id) => {
        const ttlMs = placeOfChild(id) === undefined ? DEFAULT_RESULT_TTL_MS : FLOW_TTL_MS;
        return kv.put(taskKey(id), record, { ...bounds, ttlMs });
      });
      await Promise.all(puts);
    }
  } finally {
    const handling = new Handling(bus.events, { kind: 'task', queue });
    for (const id of cancelled) handling.ended('cancelled', { id, attempt: 0 }, undefined, {});
  }
  return { cancelled, started: outcomes.some(({ status }) => status === 'started') };
}
