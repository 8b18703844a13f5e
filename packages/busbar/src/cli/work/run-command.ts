/** Runs a command for one message: the body on stdin, progress on descriptor 3, the result on stdout. */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { newId } from '@busbar/api/transport';
import type { Environment } from '../../config/locate-bus.ts';
import type { CommandLine } from './program.ts';

/** One run of a command. */
export interface CommandRun {
  readonly command: CommandLine;
  readonly env: Environment;
  readonly input: Uint8Array;
  /** A longer output ends the command. */
  readonly maxOutputBytes: number;
  readonly timeoutMs: number | undefined;
  /** Ends the command when it fires. */
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

/** How a command ended. */
export interface CommandEnd {
  readonly exitCode: number | null;
  /** The signal that ended it. */
  readonly signal: NodeJS.Signals | null;
  readonly output: Uint8Array;
  /** The last line that it wrote to stderr. */
  readonly lastWords: string;
  /** Why this process ended it. */
  readonly endedFor: 'time' | 'output' | 'signal' | undefined;
}

/** The descriptor for progress in the command. */
export const PROGRESS_FD = 3;

/** After SIGTERM a command has this long before SIGKILL. */
const KILL_MS = 5_000;
/** A process that the command left behind can hold its output open. It is not waited for. */
const LEFT_OPEN_MS = 1_000;
const MAX_WORDS = 1_000;
const MAX_LINE = 64 * 1024;

/** The commands that run now. */
const running = new Set<Promise<CommandEnd>>();

/** Resolves when no command runs. */
export async function commandsEnded(): Promise<void> {
  while (running.size > 0) await Promise.allSettled(running);
}

/** Runs a command. Rejects if it cannot be started. */
export function runCommand(run: CommandRun): Promise<CommandEnd> {
  const ended = start(run).finally(() => running.delete(ended));
  running.add(ended);
  return ended;
}

async function start(run: CommandRun): Promise<CommandEnd> {
  const stdin = openInput(run.input);
  let child: ChildProcess;
  try {
    const [program, ...args] = run.command;
    // In a process group of its own: Ctrl-C reaches only this process, and a kill reaches what the command started.
    const stdio = [stdin ?? 'ignore', 'pipe', 'pipe', 'pipe'] as const;
    child = spawn(program, args, { env: run.env, stdio: [...stdio], detached: true });
  } finally {
    if (stdin !== undefined) closeSync(stdin);
  }
  return follow(child, run);
}

async function follow(child: ChildProcess, run: CommandRun): Promise<CommandEnd> {
  const { promise: exited, resolve, reject } = Promise.withResolvers<void>();
  const { promise: closed, resolve: onClose } = Promise.withResolvers<void>();
  child
    .once('error', reject)
    .once('exit', () => resolve())
    .once('close', () => onClose());
  const killer = new Killer(child);
  const output = collect(child.stdout, run.maxOutputBytes, () => killer.end('output'));
  const words = forward(child.stderr);
  readProgress(child.stdio[PROGRESS_FD] as Readable | null, run.onProgress);
  const onAbort = (): void => killer.end('signal');
  run.signal.addEventListener('abort', onAbort, { once: true });
  if (run.signal.aborted) onAbort();
  const timer = run.timeoutMs === undefined ? undefined : setTimeout(() => killer.end('time'), run.timeoutMs);
  let left: NodeJS.Timeout | undefined;
  try {
    await exited;
    const late = new Promise<void>((done) => {
      left = setTimeout(done, LEFT_OPEN_MS);
    });
    await Promise.race([closed, late]);
  } finally {
    clearTimeout(timer);
    clearTimeout(left);
    killer.stop();
    run.signal.removeEventListener('abort', onAbort);
    for (const stream of child.stdio) stream?.destroy();
  }
  const { exitCode, signalCode: signal } = child;
  return { exitCode, signal, output: Buffer.concat(output), lastWords: words(), endedFor: killer.reason };
}

/**
 * A file with the body, for reading from its start; its name is gone already. Node's pipes are sockets, which a command cannot
 * open as /dev/stdin. Undefined for an empty body.
 */
function openInput(body: Uint8Array): number | undefined {
  if (body.byteLength === 0) return undefined;
  const path = join(tmpdir(), `busbar-${newId()}`);
  const file = openSync(path, 'wx+', 0o600);
  try {
    unlinkSync(path);
    // With a position the offset of the file stays 0.
    for (let at = 0; at < body.byteLength; ) at += writeSync(file, body, at, body.byteLength - at, at);
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** Ends a command and what it started: SIGTERM, then SIGKILL. */
class Killer {
  reason: CommandEnd['endedFor'];
  readonly #child: ChildProcess;
  #timer: NodeJS.Timeout | undefined;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  end(reason: 'time' | 'output' | 'signal'): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    this.#kill('SIGTERM');
    this.#timer = setTimeout(() => this.#kill('SIGKILL'), KILL_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // It has ended.
    }
  }
}

/** The chunks of a stream, up to `max` bytes. */
function collect(stream: Readable | null, max: number, onTooMuch: () => void): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  stream?.on('data', (chunk: Uint8Array) => {
    bytes += chunk.byteLength;
    if (bytes <= max) chunks.push(chunk);
    else onTooMuch();
  });
  return chunks;
}

/** Passes stderr on, and remembers its last line. */
function forward(stream: Readable | null): () => string {
  let tail = '';
  stream?.on('data', (chunk: Uint8Array) => {
    process.stderr.write(chunk);
    tail = (tail + Buffer.from(chunk).toString('utf8')).slice(-MAX_WORDS);
  });
  return () => tail.trimEnd().split('\n').at(-1)?.trim() ?? '';
}

/** Calls `onLine` for each line, and for the rest at the end. */
function readProgress(stream: Readable | null, onLine: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    for (const line of lines) if (line.trim() !== '') onLine(line.trim());
  });
  stream?.on('end', () => rest.trim() !== '' && onLine(rest.trim()));
}
