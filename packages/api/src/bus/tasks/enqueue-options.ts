/** Options of tasks. */

import { invalid } from '../../contract/errors.ts';
import type { MessageInput } from '../../contract/message.ts';
import { checkUserName, quote, utf8Length } from '../../contract/names.ts';
import { checkBoolean, checkText, describe } from '../../contract/validation.ts';
import type { QueueDefinition } from '../messages/definitions.ts';
import { checkMessageOptions, MAIL_KEYS, type MailOptions } from '../messages/message-options.ts';
import { delayOf } from './task-handle.ts';

/** Options of a task: `runAt` or `delayMs`, and `dedupeKey` or `replaceKey`. */
export type EnqueueOptions = TaskOptions & (DelayedStart | PlannedStart) & (UniqueKey | HeldKey | ReplacingKey);

/** Options of every task. */
export interface TaskOptions extends Omit<MailOptions, 'id' | 'createInbox' | 'delayMs'> {
  /** The kind of the task, for handlers, lists and metrics, 1 to 255 characters. It chooses no handler. */
  readonly type?: string | undefined;
}

/** A task that waits for a time. */
export interface DelayedStart extends Pick<MailOptions, 'delayMs'> {
  readonly runAt?: undefined;
}

/** A task that waits until a time. */
export interface PlannedStart {
  /** The earliest start; a time in the past means now. It excludes `delayMs`. */
  readonly runAt?: Date | undefined;
  readonly delayMs?: undefined;
}

/** The first task of a key is kept. */
export interface UniqueKey {
  /** Tasks with the same key are stored once within the dedupe window of the queue. 1 to 240 bytes. */
  readonly dedupeKey?: string | undefined;
  readonly dedupeUntilDone?: false | undefined;
  readonly replaceKey?: undefined;
}

/** The first task of a key is kept, and the key holds exactly until that task has ended. */
export interface HeldKey {
  readonly dedupeKey: string;
  /**
   * The `dedupeKey` holds while its task waits or runs, between two attempts too, and no longer: once that is done, dead,
   * cancelled, expired or purged, the next call stores a task. Each call then looks into the queue, and the id of each
   * task has 8 digits behind the key. Default false: the key holds for the dedupe window, whatever happens to the task.
   */
  readonly dedupeUntilDone?: boolean | undefined;
  readonly replaceKey?: undefined;
}

/** The last task of a key is kept. */
export interface ReplacingKey {
  /**
   * The task replaces the last one of this key in its queue, if that one still waits: it ends as cancelled. With `delayMs`
   * it is a debounce: the queue gets the last of many tasks, once no other came for that time. A task that was started goes
   * on. 1 to 240 bytes; excludes `dedupeKey`. Rejects with UNSUPPORTED when the transport lacks the feature `cancel`.
   */
  readonly replaceKey?: string | undefined;
  readonly dedupeKey?: undefined;
  readonly dedupeUntilDone?: undefined;
}

const PLAIN_KEYS = [
  ...MAIL_KEYS.filter((key) => key !== 'id' && key !== 'createInbox'),
  ...['type', 'runAt', 'dedupeKey'],
];
const KEYS = [...PLAIN_KEYS, 'dedupeUntilDone', 'replaceKey'];
type Loose<O> = { readonly [Key in keyof O]?: unknown };

const MAX_KEY_BYTES = 240;
const NO_SCHEMAS: QueueDefinition['schemas'] = Object.freeze({});
const NO_OPTIONS: EnqueueOptions = Object.freeze({});

/** Throws INVALID_ARGUMENT. The transport checks the fields of the message. */
export function checkEnqueueOptions(options: EnqueueOptions | undefined): void {
  checkPlainOptions(options, KEYS);
  // A caller without types may give more than one of each.
  const { dedupeKey, dedupeUntilDone, replaceKey } = (options ?? NO_OPTIONS) as Loose<EnqueueOptions>;
  checkKey(replaceKey, 'replaceKey');
  checkBoolean(dedupeUntilDone, 'dedupeUntilDone');
  if (dedupeUntilDone === true && dedupeKey === undefined) {
    throw invalid('dedupeUntilDone without a dedupeKey', 'Set a dedupeKey.');
  }
  if (replaceKey !== undefined && dedupeKey !== undefined) {
    throw invalid(
      'dedupeKey and replaceKey exclude each other',
      'One keeps the first task of a key, the other the last.',
    );
  }
}

/** The same for callers that know no keys but `dedupeKey`. */
export function checkPlainOptions(options: EnqueueOptions | undefined, keys: readonly string[] = PLAIN_KEYS): void {
  checkMessageOptions(options, keys, 'enqueue options');
  const { runAt, delayMs, dedupeKey } = (options ?? NO_OPTIONS) as Loose<EnqueueOptions>;
  if (runAt !== undefined && !(runAt instanceof Date)) {
    throw invalid(`runAt must be a Date, not ${describe(runAt)}`, 'Pass a Date, or use delayMs.');
  }
  if (runAt !== undefined && delayMs !== undefined) {
    throw invalid('runAt and delayMs exclude each other', 'Set one of them.');
  }
  checkKey(dedupeKey, 'dedupeKey');
}

function checkKey(key: unknown, name: string): void {
  checkText(key, name, MAX_KEY_BYTES);
  if (typeof key !== 'string' || utf8Length(key) <= MAX_KEY_BYTES) return;
  throw invalid(`${name} ${quote(key)} is too long`, `Use at most ${MAX_KEY_BYTES} bytes of UTF-8.`);
}

/** Fields of the message from options that are not fields. */
export function taskFields({ runAt }: EnqueueOptions): Partial<MessageInput> | undefined {
  return runAt === undefined ? undefined : { delayMs: delayOf(runAt, 'runAt') };
}

/** Throws INVALID_ARGUMENT unless `name` is a legal queue of tasks. */
function checkTaskQueue(name: unknown): asserts name is string {
  checkUserName(name, 'queue name');
  if (!name.startsWith('@')) return;
  throw invalid(`${quote(name)} is the name of an agent, not of a queue of tasks`, 'Send to an agent with agent.send.');
}

/** The definition itself, or one without schemas for a name. Throws INVALID_ARGUMENT. */
export function toQueueDefinition(queue: string | QueueDefinition): QueueDefinition {
  if (typeof queue === 'object' && queue !== null && queue.kind === 'queue') {
    checkTaskQueue(queue.queue);
    return queue;
  }
  if (typeof queue !== 'string') {
    throw invalid(`a queue must be a name or a definition, not ${describe(queue)}`, 'Use defineQueue, or a name.');
  }
  checkTaskQueue(queue);
  return { kind: 'queue', queue, schemas: NO_SCHEMAS };
}
