/** Handles messages with a command. Its exit code decides what happens to the message. */

import type { ChildResult, Context, ReceivedMessage } from '@busbar/api';
import { type BusbarError, RejectError } from '@busbar/api';
import type { Environment } from '../../config/locate-bus.ts';
import { parseExact } from '../exact-json.ts';
import { formatDuration } from '../input/durations.ts';
import { valueText } from '../output/message-view.ts';
import type { CommandLine } from './program.ts';
import { type CommandEnd, PROGRESS_FD, runCommand } from './run-command.ts';

/** Exit codes with a meaning of their own, from sysexits.h. */
const REJECT = 65;
const RETRY = 75;
/** Linux refuses variables of more than 128 KiB. */
const MAX_VARIABLE_BYTES = 100_000;

/** What happens to a message whose command fails with another exit code. */
export type OnFailure = 'retry' | 'reject';

/** How a command handles messages. */
export interface MessageCommand {
  readonly command: CommandLine;
  readonly env: Environment;
  readonly onFailure: OnFailure;
  /** How long the command may take. */
  readonly timeoutMs: number | undefined;
  readonly maxOutputBytes: number;
  /** Called after each run. */
  readonly onEnd: (message: ReceivedMessage, end: HandledMessage) => void;
}

/** The outcome of one run. */
export interface HandledMessage {
  readonly outcome: 'done' | OnFailure;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly ms: number;
}

/** A command that failed, for the history of its message. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly id: string;

  constructor(id: string, reason: string) {
    super(reason);
    this.id = id;
  }
}

/** A command that rejected its message. */
export class CommandRejected extends RejectError {
  readonly id: string;

  constructor(id: string, reason: string) {
    super(reason);
    this.id = id;
  }
}

/** The handler that runs the command for each message. Its value is the command's output. */
export function handleWith(plan: MessageCommand): (message: ReceivedMessage, context: Context) => Promise<unknown> {
  return async (message, context) => {
    const { signal } = context;
    const startedAt = performance.now();
    const end = await runCommand({
      command: plan.command,
      env: { ...plan.env, ...variablesOf(message), ...childrenOf(await context.children()) },
      input: toInput(message.body),
      maxOutputBytes: plan.maxOutputBytes,
      timeoutMs: plan.timeoutMs,
      signal,
      onProgress: (line) => void context.progress(toValue(line)).catch(() => undefined),
    });
    // Its message is released, or another consumer has it.
    if (end.endedFor === 'signal') throw signal.reason;
    const { exitCode } = end;
    const outcome = outcomeOf(end, plan.onFailure);
    const ms = Math.round(performance.now() - startedAt);
    plan.onEnd(message, { outcome, exitCode, signal: end.signal, ms });
    if (outcome === 'done') return readOutput(end.output);
    const reason = reasonOf(end, plan);
    throw outcome === 'reject' ? new CommandRejected(message.id, reason) : new CommandFailed(message.id, reason);
  };
}

function outcomeOf({ exitCode, endedFor }: CommandEnd, onFailure: OnFailure): HandledMessage['outcome'] {
  if (endedFor === 'output') return 'reject';
  if (endedFor !== undefined) return onFailure;
  if (exitCode === 0) return 'done';
  if (exitCode === REJECT) return 'reject';
  return exitCode === RETRY ? 'retry' : onFailure;
}

function reasonOf(end: CommandEnd, { timeoutMs, maxOutputBytes }: MessageCommand): string {
  const { exitCode, signal, lastWords, endedFor } = end;
  const how =
    endedFor === 'time'
      ? `took longer than ${formatDuration(timeoutMs ?? 0)}`
      : endedFor === 'output'
        ? `wrote more than ${maxOutputBytes} bytes`
        : exitCode === null
          ? `ended by ${signal ?? 'a signal'}`
          : `exit code ${exitCode}`;
  return lastWords === '' ? how : `${how}: ${lastWords}`;
}

/** The variables of a message. Other processes chose their values: a NUL would end the start of the command. */
function variablesOf(message: ReceivedMessage): Record<string, string> {
  const { id, type, from, to, topic, attempt, priority, correlationId } = message;
  const given = {
    BUSBAR_ID: id,
    BUSBAR_TYPE: type,
    BUSBAR_FROM: from,
    BUSBAR_TO: to,
    BUSBAR_TOPIC: topic,
    BUSBAR_ATTEMPT: String(attempt),
    BUSBAR_PRIORITY: String(priority),
    BUSBAR_CORRELATION: correlationId,
    BUSBAR_PROGRESS_FD: String(PROGRESS_FD),
  };
  return Object.fromEntries(
    Object.entries(given).map(([name, value = '']) => [name, value.toWellFormed().replaceAll('\0', '')]),
  );
}

/** Of a task with children. Results that are too large for a variable are left out. */
function childrenOf(children: readonly ChildResult[]): Record<string, string> {
  if (children.length === 0) return {};
  const whole = JSON.stringify(children);
  if (Buffer.byteLength(whole) <= MAX_VARIABLE_BYTES) return { BUSBAR_CHILDREN: whole };
  return { BUSBAR_CHILDREN: JSON.stringify(children.map(({ id, queue, state }) => ({ id, queue, state }))) };
}

function toInput(body: unknown): Uint8Array {
  return body instanceof Uint8Array ? body : new TextEncoder().encode(valueText(body));
}

/** JSON if it parses, else text; bytes if it is not UTF-8; undefined without output. */
function readOutput(output: Uint8Array): unknown {
  if (output.byteLength === 0) return undefined;
  try {
    return toValue(new TextDecoder('utf-8', { fatal: true }).decode(output).replace(/\r?\n$/, ''));
  } catch (error) {
    if (error instanceof TypeError) return new Uint8Array(output);
    throw error;
  }
}

function toValue(text: string): unknown {
  if (text === '') return undefined;
  try {
    return parseExact(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

/** What a listener of errors may say about a failed command: the message, the reason, and what follows. */
export function sayFailure(error: BusbarError): string | undefined {
  const thrown = error.cause;
  if (!(thrown instanceof CommandFailed || thrown instanceof CommandRejected)) return undefined;
  return `${thrown.id}: ${thrown.message}; ${error.retryable ? 'it is retried' : 'it is a dead letter now'}`;
}
