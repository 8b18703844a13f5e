/** The states of messages: one word each, in every table. */

import type { TaskStatus } from '@busbar/api';
import type { MessageState, QueueInfo } from '@busbar/api/transport';
import type { Output, Style } from './output.ts';

/** The word for a state that a message can be found in. Settled and expired ones are only counted: DONE, EXPIRED. */
export const STATE_WORDS: Readonly<Record<MessageState, string>> = {
  ready: 'READY',
  delayed: 'DELAYED',
  leased: 'HELD',
  dead: 'DEAD',
};

/** The word for a delayed message that is the parent of a flow, and waits for its children. */
export const WAITING = 'WAITING';

/** The word for a message whose time to live has ended. */
export const EXPIRED = 'EXPIRED';

/** The states by their words in lower case, for flags. */
export const STATES_BY_WORD: Readonly<Record<string, MessageState>> = Object.fromEntries(
  Object.entries(STATE_WORDS).map(([state, word]) => [word.toLowerCase(), state as MessageState]),
);

/** The word for the state of a task. UNKNOWN has no trace. */
export const TASK_WORDS: Readonly<Record<TaskStatus, string>> = {
  queued: STATE_WORDS.ready,
  delayed: STATE_WORDS.delayed,
  waiting: WAITING,
  running: STATE_WORDS.leased,
  dead: STATE_WORDS.dead,
  done: 'DONE',
  cancelled: 'CANCELLED',
  unknown: 'UNKNOWN',
};

/** The styles of states of messages and agents. A state without one is as it should be. */
const STATE_STYLES: Readonly<Record<string, Style>> = {
  ...{ [STATE_WORDS.delayed]: 'cyan', [WAITING]: 'cyan', [STATE_WORDS.leased]: 'yellow', [STATE_WORDS.dead]: 'red' },
  ...{ [EXPIRED]: 'dim', DONE: 'green', CANCELLED: 'dim' },
  ...{ online: 'green', holding: 'yellow', away: 'dim', unregistered: 'dim' },
};

/** Where to see messages of states that are counted only. */
export const ENDED_STATES: Readonly<Record<string, string>> = {
  expired:
    'The bus keeps no expired message. busbar queues counts them under EXPIRED, and busbar audit lists those of an audited bus.',
  done: 'The bus keeps no message that was acked. busbar queues counts them under DONE, and busbar audit lists those of an audited bus.',
};

/** The style of a cell that starts with a state, or that counts what should not be there; undefined without one. */
export function styleOf(cell: string): Style | undefined {
  const [word = ''] = cell.trim().split(' ', 1);
  if (Object.hasOwn(STATE_STYLES, word)) return STATE_STYLES[word];
  return /^[1-9]\d*$/.test(word) ? 'red' : undefined;
}

/** The word for a state in its style. */
export function paintState(word: string, out: Output): string {
  const style = styleOf(word);
  return style === undefined ? word : out.paint(style, word);
}

/** Headings of the counts of a queue. */
export const COUNT_HEADINGS: readonly string[] = ['#READY', '#DELAYED', '#HELD', '?#DONE', '?#EXPIRED', '*#DEAD'];

/** Counts with the word for held messages as their key, as every output names them. */
export function heldCounts<T extends { readonly leased: number }>({
  leased,
  ...counts
}: T): Omit<T, 'leased'> & { readonly held: number } {
  return { ...counts, held: leased };
}

/** The counts under {@link COUNT_HEADINGS}. */
export function countsOf({ ready, delayed, leased, dead, totals }: Omit<QueueInfo, 'settings'>): number[] {
  return [ready, delayed, leased, totals.done, totals.expired, dead];
}
