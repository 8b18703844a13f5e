/** The parents of flows at their worker: each waits until its children have ended. */

import { toBusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';
import type { Settlement } from '../../contract/queues.ts';
import type { Transport } from '../../contract/transport.ts';
import { isRejectError, isSnooze, RejectError, RetryError } from '../consuming/failure.ts';
import type { BusRuntime } from '../runtime.ts';
import { resultOf } from '../tasks/task-follower.ts';
import { DEFAULT_RESULT_TTL_MS, taskKey } from '../tasks/task-record.ts';
import { GONE_LOOKS, GONE_MS } from '../tasks/task-state.ts';
import { cancelChildren } from './cancel-waiting.ts';
import { childEnded, wakeParent } from './child-ended.ts';
import { type ChildState, readChildren } from './child-states.ts';
import { type FlowRef, flowOf, placeOfChild } from './flow-id.ts';
import { childOf, type FlowRecord, FlowStore, type MissingChild } from './flow-record.ts';
import { sendMissing } from './send-children.ts';

/** Why a parent cannot start yet, or ever. */
type Obstacle =
  | { readonly kind: 'waits'; readonly child: ChildState }
  | { readonly kind: 'missing'; readonly child: ChildState }
  | { readonly kind: 'failed'; readonly child: ChildState };

const PAGE = 50;
/** The wait before its children are read again, after the store did not answer. */
const UNREADABLE_MS = 900;
const MAX_TOUCHES = 500;

/** The parents that one consumer takes. */
export class Parents {
  readonly #runtime: BusRuntime;
  readonly #transport: Transport;
  readonly #store: FlowStore;
  /** The child that a parent waits for, which goes back to its queue. */
  readonly #waiting = new WeakMap<Delivery, number>();

  constructor(runtime: BusRuntime) {
    this.#runtime = runtime;
    this.#transport = runtime.transport;
    this.#store = new FlowStore(runtime.transport);
  }

  /**
   * Undefined for a task without children. Rejects with a RetryError that counts no attempt while children of the task have not
   * ended, and with a RejectError when the failure of one ends it.
   */
  ready(delivery: Delivery): Promise<void> | undefined {
    const flow = flowOf(delivery);
    return flow && this.#look(delivery, flow).catch((error) => this.#refuse(delivery, error));
  }

  /** After a settlement has taken effect. `isFailed`: it ended the task without a result. Undefined for a task of no flow. */
  settled(delivery: Delivery, { action }: Settlement, isFailed: boolean): Promise<void> | undefined {
    const flow = flowOf(delivery);
    if (flow === undefined && placeOfChild(delivery.id) === undefined) return undefined;
    return this.#settled(delivery, flow, action, isFailed);
  }

  async #settled(
    delivery: Delivery,
    flow: FlowRef | undefined,
    action: Settlement['action'],
    isFailed: boolean,
  ): Promise<void> {
    const awaited = this.#waiting.get(delivery);
    if (flow !== undefined && action === 'release' && awaited !== undefined) await this.#lookAgain(flow, awaited);
    if (action === 'ack' || isFailed) await childEnded(this.#transport, delivery.id, isFailed);
    if (flow !== undefined && action === 'ack') await this.#forget(flow);
  }

  /** A store that does not answer is no failure of the task. */
  #refuse({ id, queue }: Delivery, error: unknown): never {
    if (isRejectError(error) || isSnooze(error)) throw error;
    this.#runtime.report(error, { kind: 'task', queue, id });
    throw new RetryError('its children cannot be read', { afterMs: UNREADABLE_MS, countAttempt: false, cause: error });
  }

  async #look(delivery: Delivery, flow: FlowRef): Promise<void> {
    this.#waiting.delete(delivery);
    const found = await this.#store.read(flow);
    const record = found?.unsent === undefined ? found : await sendMissing(this.#transport, flow, found);
    if (record === undefined) throw new RejectError('the record of its children is no longer stored');
    if (record.awaited < 0 && record.failed === undefined) return;
    const since = performance.now();
    const obstacle = await this.#scan(flow, record);
    const goneMs = Math.ceil(GONE_MS + GONE_LOOKS * (performance.now() - since));
    switch (obstacle?.kind) {
      case 'failed':
        throw await this.#failed(flow, obstacle.child);
      case 'missing':
        throw await this.#missing(flow, record, obstacle.child, goneMs);
      default: {
        const awaited = obstacle?.child.index ?? -1;
        if (awaited !== record.awaited || record.failed !== undefined) await this.#await(flow, record, awaited);
        if (obstacle === undefined) return;
        this.#waiting.set(delivery, awaited);
        throw postpone(obstacle.child, record.checkMs);
      }
    }
  }

  /** Looks at the child that told of its failure and at the awaited one, and then at those before it that may not have ended. */
  async #scan(flow: FlowRef, record: FlowRecord): Promise<Obstacle | undefined> {
    const { failed, awaited } = record;
    const read = (from: number, to: number) => readChildren(this.#transport, flow, record, [from, to]);
    if (failed !== undefined) {
      const [child] = await read(failed, failed + 1);
      const obstacle = child && obstacleOf(child, record);
      if (obstacle?.kind === 'failed' || obstacle?.kind === 'missing') return obstacle;
    }
    for (let to = awaited + 1, size = 1; to > 0; to -= size, size = PAGE) {
      const children = await read(Math.max(0, to - size), to);
      for (const child of children.toReversed()) {
        const obstacle = obstacleOf(child, record);
        if (obstacle !== undefined) return obstacle;
      }
    }
    return undefined;
  }

  /** A child that tells of its failure meanwhile stays. */
  async #await(flow: FlowRef, { failed }: FlowRecord, awaited: number): Promise<void> {
    await this.#store.change(flow, (old) => ({
      ...old,
      awaited,
      missing: undefined,
      failed: old.failed === failed ? undefined : old.failed,
    }));
  }

  /** Children after it have ended, unless it is the one that told of its failure. */
  async #missing(flow: FlowRef, record: FlowRecord, child: ChildState, goneMs: number): Promise<RetryError> {
    const { missing, failed, checkMs } = record;
    const { index } = child;
    if (missing?.index !== index) {
      const at = Date.now();
      const toAwaited = (old: FlowRecord): number => (index === failed ? old.awaited : index);
      await this.#store.change(flow, (old) => ({ ...old, awaited: toAwaited(old), missing: { index, at, goneMs } }));
    }
    return postpone(child, Math.min(checkMs, goneMs));
  }

  async #failed({ parent }: FlowRef, child: ChildState): Promise<RejectError> {
    const reason = `its child ${child.id} failed`;
    await cancelChildren(this.#runtime, parent, { reason });
    const error = errorOf(child);
    return new RejectError(`${reason}: ${error.message}`, { cause: error });
  }

  /** The awaited child may have ended while this worker had the parent, and could not wake it. */
  async #lookAgain(flow: FlowRef, awaited: number): Promise<void> {
    const record = await this.#store.read(flow);
    if (record === undefined) return;
    const [child] = await readChildren(this.#transport, flow, record, [awaited, awaited + 1]);
    const isOver = child !== undefined && obstacleOf(child, record)?.kind !== 'waits';
    if (isOver || record.failed !== undefined) await wakeParent(this.#transport, flow);
  }

  /** The parent has its result: those of its children are kept for as long as any other. */
  async #forget(flow: FlowRef): Promise<void> {
    const record = await this.#store.read(flow);
    if (record === undefined) return;
    const keys = record.of.map((_, index) => taskKey(childOf(flow, record, index)));
    const { kv } = this.#transport;
    for (let start = 0; start < keys.length; start += MAX_TOUCHES) {
      const page = keys.slice(start, start + MAX_TOUCHES);
      await kv.touch(page.map((key) => ({ key, ttlMs: DEFAULT_RESULT_TTL_MS })));
    }
    await this.#store.delete(flow);
  }
}

function obstacleOf(child: ChildState, { onChildFailure, missing }: FlowRecord): Obstacle | undefined {
  const { end, index } = child;
  if (end?.state === 'done') return undefined;
  if (end === undefined) return { kind: 'waits', child };
  if (end.state === 'unknown' && !(missing?.index === index && isGone(missing))) return { kind: 'missing', child };
  if (onChildFailure === 'ignore') return undefined;
  if (onChildFailure === 'wait' && end.state === 'dead') return { kind: 'waits', child };
  return { kind: 'failed', child };
}

/** A clock that was set back does not keep a child. */
function isGone({ at, goneMs = GONE_MS }: MissingChild): boolean {
  return Math.abs(Date.now() - at) >= goneMs;
}

function postpone({ id }: ChildState, afterMs: number): RetryError {
  return new RetryError(`it waits for its child ${id}`, { afterMs, countAttempt: false });
}

function errorOf({ id, end }: ChildState): Error {
  try {
    resultOf(id, end ?? { state: 'unknown' });
  } catch (error) {
    return toBusbarError(error);
  }
  return new Error('unknown');
}
