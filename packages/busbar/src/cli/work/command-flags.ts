/** Flags and notes of the verbs that run a command for each message. */

import type { Context, ReceivedMessage } from '@busbar/api';
import type { Environment } from '../../config/locate-bus.ts';
import type { Invocation } from '../command.ts';
import { unlessReaderGone } from '../output/output.ts';
import { handleWith, type OnFailure } from './message-command.ts';
import { toCommandLine } from './program.ts';

/** Flags of the verbs that run a command for each message. */
export const COMMAND_FLAGS = {
  concurrency: { kind: 'integer', min: 1, max: 1000, help: 'run up to this many at a time (default 1)' },
  timeout: { kind: 'duration', value: 'TIME', min: 1, help: 'end CMD after this time; that counts as failed' },
  'on-failure': { kind: 'choice', choices: ['retry', 'reject'], help: 'after other exit codes (default retry)' },
  backoff: { kind: 'duration', min: 0, help: 'wait before a retry; it doubles (default 1s)' },
  lease: { kind: 'duration', min: 500, max: 43_200_000, help: 'leases; CMD renews them (default 5s)' },
} as const;

/** Notes of these verbs. */
export const COMMAND_NOTES = [
  'CMD runs without a shell. The body is its stdin. Its variables are BUSBAR_ID, BUSBAR_TYPE, BUSBAR_FROM, BUSBAR_ATTEMPT and others. Lines that it writes to descriptor 3 (echo 50 >&3) are progress.',
  'Exit 0 acks the message, 75 retries it, 65 makes it a dead letter. For other codes --on-failure decides. A message without attempts left becomes a dead letter.',
  'The first SIGTERM or Ctrl-C takes no more messages and lets running commands end. The second one ends them and releases their messages.',
] as const;

/** Leases are short, so that the messages of a killed process are soon delivered again. */
const LEASE_MS = 5_000;

type CommandInvocation = Pick<Invocation<typeof COMMAND_FLAGS>, 'flags' | 'session' | 'command'>;

/** A command for messages, by the flags. */
export interface PlannedCommand {
  readonly leaseMs: number;
  /** Options of the consumer. */
  readonly consume: {
    readonly concurrency: number;
    readonly leaseMs: number;
    readonly retry: { readonly baseMs: number | undefined };
  };
  /** The handler that runs the command. */
  handler(env: Environment, maxOutputBytes: number): (message: ReceivedMessage, context: Context) => Promise<unknown>;
}

/** The command after `--`, with the flags. Throws INVALID_ARGUMENT, or NOT_FOUND for an unknown program. */
export function toPlannedCommand({ flags, session, command: words }: CommandInvocation): PlannedCommand {
  const { out } = session;
  const { concurrency = 1, lease: leaseMs = LEASE_MS, backoff: baseMs, timeout: timeoutMs } = flags;
  const command = toCommandLine(words, session.env);
  const onFailure = (flags['on-failure'] ?? 'retry') as OnFailure;
  return {
    leaseMs,
    consume: { concurrency, leaseMs, retry: { baseMs } },
    handler: (env, maxOutputBytes) =>
      handleWith({
        ...{ command, env, onFailure, timeoutMs, maxOutputBytes },
        onEnd: ({ id, type, from, attempt }, end) => {
          if (out.json) void unlessReaderGone(out.jsonLines([{ id, type, from, attempt, ...end }]));
        },
      }),
  };
}
