/** The ids of flows: the id of a child names its parent, so that any process finds the parent when the child ends. */

import { invalid } from '../../contract/errors.ts';
import type { Headers } from '../../contract/message.ts';
import { quote, utf8Length } from '../../contract/names.ts';

/** One flow. Two calls with one id of the parent differ in `run`; the parent carries that of the call that stored it. */
export interface FlowRef {
  /** The id of the parent's task. */
  readonly parent: string;
  /** 8 hexadecimal digits. */
  readonly run: string;
}

/** The place of a task in a flow. */
export interface FlowPlace {
  readonly flow: FlowRef;
  /** The place among the children, from 0. */
  readonly index: number;
}

/** The header of a parent with its `run`. */
export const FLOW_HEADER = 'bus-flow';

const MARK = '#flow:';
const FORM = /^[^#]+#flow:(.+)\/([0-9a-f]{8})\/(\d{1,4})$/s;
const RUN = /^[0-9a-f]{8}$/;
/** A message id may have 512 bytes, and so may the longest key of a task. */
const MAX_ID_BYTES = 480;

/** The key of a flow's record. */
export function flowKey({ parent, run }: FlowRef): string {
  return `${flowPrefix(parent)}${run}`;
}

/** The prefix of the keys of all flows with this parent. Other flows can have it, too. No task has an id that begins with #. */
export function flowPrefix(parent: string): string {
  return `$task/#flow/${parent}/`;
}

/** The flow of a key with the prefix of `parent`; undefined if it has another parent. */
export function flowOfKey(parent: string, key: string): FlowRef | undefined {
  const run = key.slice(flowPrefix(parent).length);
  return RUN.test(run) ? { parent, run } : undefined;
}

/** The id of a child. Throws INVALID_ARGUMENT for one that is too long. */
export function childId(queue: string, { parent, run }: FlowRef, index: number): string {
  const id = `${queue}${MARK}${parent}/${run}/${index}`;
  if (utf8Length(id) <= MAX_ID_BYTES) return id;
  throw invalid(
    `the id of a child of ${quote(parent)} is too long`,
    'It contains the id of its parent. Use fewer levels of children, or shorter names of queues and keys.',
  );
}

/** Whether the id has the mark of a child. */
export function isChildId(id: string): boolean {
  return id.startsWith(MARK, id.indexOf('#'));
}

/** The place of a child; undefined for any other task. */
export function placeOfChild(id: string): FlowPlace | undefined {
  if (!id.includes(MARK)) return undefined;
  const [, parent, run, index] = FORM.exec(id) ?? [];
  if (parent === undefined || run === undefined) return undefined;
  return { flow: { parent, run }, index: Number(index) };
}

/** The queue in the id of a task. */
export function queueOfTaskId(id: string): string {
  return id.slice(0, Math.max(0, id.indexOf('#')));
}

/** The flow of a parent; undefined for any other task. */
export function flowOf({ id, headers }: { readonly id: string; readonly headers: Headers }): FlowRef | undefined {
  const run = headers[FLOW_HEADER];
  return run !== undefined && RUN.test(run) ? { parent: id, run } : undefined;
}
