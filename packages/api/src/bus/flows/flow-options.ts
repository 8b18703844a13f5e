/** Options of flows. */

import { invalid } from '../../contract/errors.ts';
import { checkArray, checkDuration, checkOneOf, checkOptions, describe } from '../../contract/validation.ts';
import type { QueueDefinition, TaskInput } from '../messages/definitions.ts';
import { checkEnqueueOptions, type EnqueueOptions, toQueueDefinition } from '../tasks/enqueue-options.ts';
import type { ChildFailureRule } from './flow-record.ts';

type Queue = string | QueueDefinition;

/** A task of a flow. A definition has the type of its body. */
export interface FlowTask<Q extends Queue = Queue> {
  readonly queue: Q;
  readonly body?: TaskInput<Q>;
  /** Options of the task. The keys of children are those of the flow: they have neither `dedupeKey` nor `replaceKey`. */
  readonly options?: EnqueueOptions | undefined;
  /** Tasks that it waits for: it starts when they have ended. At most 1,000 in the whole flow. */
  readonly children?: readonly FlowTask[] | undefined;
  /** Of a task with children. Default `fail`. */
  readonly onChildFailure?: ChildFailureRule | undefined;
  /**
   * Of a task with children: how often it looks for children that ended without notice, such as those of a process that was
   * killed. 50 to 2,147,483,647. Default 30,000.
   */
  readonly checkMs?: number | undefined;
}

/** A parent and its children, at least one. Types of bodies are checked down to the children. */
export interface Flow<Q extends Queue = Queue, Children extends readonly Queue[] = readonly Queue[]>
  extends FlowTask<Q> {
  readonly children: { readonly [K in keyof Children]: FlowTask<Children[K]> };
}

const MAX_CHILDREN = 1000;
const DEFAULT_CHECK_MS = 30_000;
const MAX_CHECK_MS = 2_147_483_647;
const KEYS = ['queue', 'body', 'options', 'children', 'onChildFailure', 'checkMs'];
const NOT_OF_PARENTS = ['delayMs', 'runAt', 'orderingKey', 'replaceKey'] as const;
const NOT_OF_CHILDREN = ['dedupeKey', 'dedupeUntilDone', 'replaceKey'] as const;

/** Throws INVALID_ARGUMENT. */
export function checkFlow(flow: unknown): asserts flow is Flow {
  const counted = checkTask(flow, 'the flow', false);
  if (counted === 0) throw invalid('a flow without children', 'Enqueue a task, or give the flow children.');
}

/** How often a parent looks for children. */
export function checkMsOf({ checkMs = DEFAULT_CHECK_MS }: FlowTask): number {
  return checkMs;
}

/** The number of children below the task, at most {@link MAX_CHILDREN} in all. */
function checkTask(task: unknown, what: string, isChild: boolean, counted = 0): number {
  if (typeof task !== 'object' || task === null) {
    throw invalid(`${what} must be an object, not ${describe(task)}`, 'Give it a queue and a body.');
  }
  checkOptions(task, KEYS, what);
  const { queue, options, children = [], onChildFailure, checkMs } = task as FlowTask;
  toQueueDefinition(queue);
  checkEnqueueOptions(options);
  checkOneOf(onChildFailure, 'onChildFailure', ['fail', 'ignore', 'wait']);
  checkDuration(checkMs, 'checkMs', { min: 50, max: MAX_CHECK_MS });
  checkArray(children, 'children', MAX_CHILDREN);
  if (children.length > 0) refuse(options, NOT_OF_PARENTS, `${what}: a task with children`);
  if (isChild) refuse(options, NOT_OF_CHILDREN, `${what}: a child`);
  let total = counted + children.length;
  if (total > MAX_CHILDREN) {
    throw invalid(`a flow has at most ${MAX_CHILDREN} children`, 'Give each child more work, or use several flows.');
  }
  for (const [index, child] of children.entries()) total = checkTask(child, `child ${index} of ${what}`, true, total);
  return total;
}

function refuse(options: EnqueueOptions | undefined, keys: readonly (keyof EnqueueOptions)[], what: string): void {
  const key = keys.find((one) => options?.[one] !== undefined);
  if (key !== undefined) throw invalid(`${what} cannot have ${key}`, 'Leave it out: the flow decides about that.');
}
