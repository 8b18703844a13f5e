// A program that serves until it is killed, and never longer than the process that started it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** What to run. */
export interface ServerCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** Where its log goes; removed when this process dies without having ended the server. */
  readonly folder: string;
  /** Resolves once it serves; asked again and again while it throws. */
  readonly ready: () => Promise<void>;
}

/** The program could not bind its port: another has it. */
export class PortTakenError extends Error {
  override readonly name = 'PortTakenError';
}

/**
 * Becomes the server. What it leaves behind waits for the end of the pipe: where this process died it kills the server and
 * removes the folder, where it was told that the server has ended it does nothing.
 */
const GUARD = `folder=$1; shift
(read -r ended <&3 && exit; kill -9 $$; rm -rf "$folder") </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-`;

const READY_MS = 30_000;
const STOP_MS = 15_000;
const PAUSE_MS = 1_000;
const ASK_AGAIN_MS = 10;
const LOG_TAIL = 4_096;
const TAKEN = /address already in use/i;

/** A server, from one start to the next. */
export class ServerProcess {
  readonly #command: ServerCommand;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(command: ServerCommand) {
    this.#command = command;
  }

  /** -1 while it does not run. */
  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** All that it has written, over all its lives. */
  get log(): string {
    const file = this.#logFile;
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** Resolves once it serves. Nothing happens where it runs already. */
  async start(): Promise<void> {
    if (this.#child) return;
    const before = this.log.length;
    const child = this.#spawn();
    try {
      await this.#untilReady(child);
    } catch (error) {
      await this.kill();
      const written = this.log.slice(before);
      if (TAKEN.test(written)) throw new PortTakenError(written.slice(-LOG_TAIL));
      throw new Error(`${this.#command.file} does not serve:\n${written.slice(-LOG_TAIL)}`, { cause: error });
    }
  }

  /** Ends it with a signal, SIGKILL unless told; resolves once it is gone. Nothing happens where it does not run. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child?.kill(signal);
    await this.#ended;
  }

  /** Lets it end in order; resolves once it is gone. One that takes more than 15 s is killed, and the call fails. */
  async stop(): Promise<void> {
    const late = setTimeout(() => void this.kill(), STOP_MS);
    const begun = performance.now();
    await this.kill('SIGTERM');
    clearTimeout(late);
    if (performance.now() - begun >= STOP_MS) throw new Error(`${this.#command.file} did not end when it was told to`);
  }

  /** SIGSTOP: it lives and answers nothing, from the moment that this returns. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
    const deadline = performance.now() + PAUSE_MS;
    while (!standsStill(this.pid) && performance.now() < deadline);
  }

  /** SIGCONT. */
  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  get #logFile(): string {
    return join(this.#command.folder, 'log');
  }

  #spawn(): ChildProcess {
    const { file, args, folder } = this.#command;
    const log = openSync(this.#logFile, 'a', 0o600);
    const child = spawn('/bin/sh', ['-c', GUARD, 'sh', folder, file, ...args], {
      stdio: ['ignore', log, log, 'pipe'],
      // Ctrl-C is for us; the server is still needed while we put things in order.
      detached: true,
    });
    closeSync(log);
    const guard = child.stdio[3] as Writable;
    guard.on('error', () => undefined);
    this.#child = child;
    this.#ended = once(child, 'exit').finally(() => {
      this.#child = undefined;
      guard.end('ended\n');
    });
    this.#ended.catch(() => undefined);
    return child;
  }

  async #untilReady(child: ChildProcess): Promise<void> {
    const deadline = performance.now() + READY_MS;
    for (;;) {
      try {
        return await this.#command.ready();
      } catch (error) {
        if (this.#child !== child) throw new Error('it ended at once', { cause: error });
        if (performance.now() > deadline) throw new Error(`not within ${READY_MS} ms`, { cause: error });
      }
      await sleep(ASK_AGAIN_MS);
    }
  }
}

/** Whether each thread has stopped, which takes them a moment. Known on Linux only. */
function standsStill(pid: number): boolean {
  const threads = `/proc/${pid}/task`;
  if (!existsSync(threads)) return true;
  return readdirSync(threads).every((thread) => isStopped(`${threads}/${thread}/stat`));
}

function isStopped(file: string): boolean {
  try {
    return / [TXZ] /.test(readFileSync(file, 'utf8'));
  } catch {
    // It ended between the two looks.
    return true;
  }
}
