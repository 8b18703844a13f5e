/** Tasks: puts them into queues, and follows them to their end. Workers run in Node. */

import {
  attemptsHeader,
  type CancelReason,
  checkPlainOptions,
  checkUserName,
  DEFAULT_RESULT_TTL_MS,
  encodeRecord,
  flowPrefix,
  isChildId,
  queueOfTaskId,
  type TaskHandle,
  TaskHandleImpl,
  TaskTrackers,
  taskFields,
  taskKey,
} from '@busbar/api/parts';
import { BusbarError, type CallOptions, newId } from '@busbar/api/transport';
import type { PageTaskOptions, TaskCounts } from '../page-bus.ts';
import { type PageCore, toStored } from '../page-core.ts';
import type { HubStore } from '../store/hub-store.ts';

const NONE: TaskCounts = { queued: 0, delayed: 0, running: 0, dead: 0, done: 0 };

/** The tasks of one page. */
export class PageTasks {
  readonly #core: PageCore;
  readonly #trackers: TaskTrackers;

  constructor(core: PageCore) {
    this.#core = core;
    this.#trackers = new TaskTrackers(core.store, core.shutdown);
  }

  async enqueue(queue: string, body: unknown, options: PageTaskOptions = {}): Promise<TaskHandle<never>> {
    const { store } = this.#core;
    this.#core.assertOpen();
    checkTaskQueue(queue);
    checkPlainOptions(options);
    const { dedupeKey, type, maxAttempts } = options;
    const id = `${queue}#${dedupeKey ?? newId()}`;
    const fields = { ...taskFields(options), id };
    const message = this.#core.toMessage({ body, type, options, internal: attemptsHeader(maxAttempts), fields });
    const known = dedupeKey === undefined ? undefined : await store.kv.get(taskKey(id));
    const since = dedupeKey === undefined ? 0 : Date.now();
    const results = await store.bounded(options, (context) => store.queues.send(queue, [message], true, context));
    const { status } = toStored(results[0]);
    // The result of an earlier task of this key must not count for the new one.
    if (status === 'stored' && known !== undefined) await store.kv.delete(known.key, { ifRevision: known.revision });
    return this.#handle(id, status === 'duplicate' ? 'duplicate' : since);
  }

  handle(id: string): TaskHandle<never> {
    return this.#handle(id, 'id');
  }

  async counts(queue: string, options?: CallOptions): Promise<TaskCounts> {
    checkTaskQueue(queue);
    const { store } = this.#core;
    const filter = { names: [queue], prefix: '', limit: 1, after: undefined };
    const [info] = await store.bounded(options, (context) => store.admin.queues(filter, context));
    if (info === undefined) return NONE;
    const { ready: queued, delayed, leased: running, dead, totals } = info;
    return { queued, delayed, running, dead, done: totals.done };
  }

  #handle(id: string, source: number | 'duplicate' | 'id'): TaskHandle<never> {
    const { store: transport, bodies: bodyCodec } = this.#core;
    return new TaskHandleImpl<never>(
      {
        transport,
        bodyCodec,
        trackerOf: (queue) => this.#trackers.of(queue),
        toResult: (value) => value as never,
        toProgress: (value) => value,
        cancelWaiting: (task, options) => cancelWaiting(transport, task, options),
      },
      id,
      source,
    );
  }
}

/** Cancels a task that was not started. Those of a flow need the bus of Node, which also cancels the children. */
async function cancelWaiting({ kv, admin }: HubStore, id: string, options: CancelReason): Promise<boolean> {
  const { reason, ...bounds } = options;
  const flows = await kv.list(flowPrefix(id), { ...bounds, limit: 1 });
  if (flows.length > 0 || isChildId(id)) {
    throw new BusbarError('UNSUPPORTED', 'a page cancels no task of a flow', { hint: 'Cancel it from Node.' });
  }
  const [outcome] = await admin.cancel(queueOfTaskId(id), [id], bounds);
  if (outcome?.status !== 'done') return false;
  const record = encodeRecord({ state: 'cancelled', sentAt: Date.now(), reason });
  await kv.put(taskKey(id), record, { ...bounds, ttlMs: DEFAULT_RESULT_TTL_MS });
  return true;
}

function checkTaskQueue(name: unknown): asserts name is string {
  checkUserName(name, 'queue name');
}
