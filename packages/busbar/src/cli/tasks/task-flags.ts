/** Flags of `busbar task` and `busbar enqueue`, beside those of every message. Each action uses some of them. */

import type { Invocation } from '../command.ts';
import { MAIL_FLAGS } from '../input/mail-flags.ts';
import { ENDED_STATES } from '../output/states.ts';

/** Flags of `task add` and `enqueue`. */
export const ADD_FLAGS = {
  text: { kind: 'switch', help: 'BODY is text, even if it parses as JSON' },
  wait: { kind: 'wait', help: 'wait for the result or a task, or up to TIME' },
  type: { kind: 'text', value: 'NAME', max: 255, help: 'the kind of the task; ls: only tasks of this type' },
  'until-done': { kind: 'switch', help: 'the --key holds as long as its task waits or runs' },
  replace: {
    kind: 'text',
    value: 'KEY',
    max: 240,
    help: 'cancel the task of this key that waits; with --delay a debounce',
  },
  count: { kind: 'integer', min: 1, max: 1_000_000, help: 'add the task this many times' },
  jsonl: { kind: 'switch', help: 'add each line of stdin: { "queue", "body"?, … }' },
} as const;

/** Flags of the other actions of `task`. */
export const ACTION_FLAGS = {
  max: { kind: 'integer', min: 1, max: 1000, help: 'take: up to this many tasks (default 1)' },
  lease: { kind: 'duration', min: 50, max: 43_200_000, help: 'take, extend: how long the lease lasts' },
  result: { kind: 'text', value: 'BODY', max: 1_000_000, help: 'done: the result; - reads it from a pipe' },
  field: { kind: 'list', value: 'PATH', help: 'take: print only this field, such as body.file' },
  format: { kind: 'text', value: 'TEXT', help: "take: print TEXT with fields: '{{receipt}} {{body}}'" },
  reason: { kind: 'text', max: 2_000, help: 'fail, cancel: text for its history or its handler' },
  running: { kind: 'switch', help: 'cancel: also a task that a worker has started' },
  reject: { kind: 'switch', help: 'fail: no retry, it becomes a dead letter' },
  state: {
    kind: 'choice',
    choices: ['ready', 'delayed', 'waiting', 'held', 'dead'],
    elsewhere: ENDED_STATES as Readonly<Record<string, string>>,
    help: 'ls: only tasks in this state',
  },
  limit: { kind: 'integer', min: 1, max: 1000, help: 'ls: at most this many (default 100)' },
  after: { kind: 'text', value: 'CURSOR', max: 4096, help: 'ls: the next page, which a note of the page before shows' },
  watch: { kind: 'wait', help: 'ls: print it again every 2 s, or every TIME, until Ctrl-C' },
} as const;

/** The flags that each action takes. */
export const FLAGS_OF_ACTIONS: Readonly<Record<string, readonly string[]>> = {
  add: [...Object.keys(MAIL_FLAGS), ...Object.keys(ADD_FLAGS)],
  flow: ['wait'],
  take: ['max', 'wait', 'lease', 'field', 'format'],
  done: ['result', 'text'],
  fail: ['reject', 'delay', 'reason'],
  progress: ['text'],
  extend: ['lease'],
  status: [],
  result: ['wait'],
  cancel: ['running', 'reason'],
  ls: ['limit', 'type', 'after', 'state', 'watch'],
};

/** One use of `task`. */
export type TaskInvocation = Invocation<typeof MAIL_FLAGS & typeof ADD_FLAGS & typeof ACTION_FLAGS>;
/** One use of `task add` or `enqueue`; the first word is the action. */
export type AddInvocation = Invocation<typeof MAIL_FLAGS & typeof ADD_FLAGS>;
