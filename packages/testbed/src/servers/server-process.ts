// A server process that never outlives the process that started it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { stopProcess } from '../processes/stop-process.ts';

/** The command of a server. */
export interface ServerCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** Folder of its log. It is removed if this process dies before it ends the server. */
  readonly folder: string;
  /** Resolves when the server is ready. Called repeatedly while it throws. */
  readonly ready: () => Promise<void>;
}

/** The port of the server is in use. */
export class PortTakenError extends Error {
  override readonly name = 'PortTakenError';
}

/**
 * A shell that execs the server. Its background watcher waits for the end of the pipe: if this process died, it kills the
 * server and removes the folder. If the server has ended, it does nothing.
 */
const GUARD = `folder=$1; shift
(read -r ended <&3 && exit; kill -9 $$; rm -rf "$folder") </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-`;

const READY_MS = 30_000;
const STOP_MS = 15_000;
const ASK_AGAIN_MS = 10;
const LOG_TAIL = 4_096;
const TAKEN = /address already in use/i;

/** A server that can be restarted. */
export class ServerProcess {
  readonly #command: ServerCommand;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(command: ServerCommand) {
    this.#command = command;
  }

  /** -1 while it is not running. */
  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** The output of all its runs. */
  get log(): string {
    const file = this.#logFile;
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** Starts the server and resolves when it is ready. Does nothing if it is running. */
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

  /** Ends it with a signal, by default SIGKILL. Resolves when it has ended. Does nothing if it is not running. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child?.kill(signal);
    await this.#ended;
  }

  /** Shuts it down. Resolves when it has ended. After 15 s it is killed and the call fails. */
  async stop(): Promise<void> {
    const late = setTimeout(() => void this.kill(), STOP_MS);
    const begun = performance.now();
    await this.kill('SIGTERM');
    clearTimeout(late);
    if (performance.now() - begun >= STOP_MS) throw new Error(`${this.#command.file} did not end when it was told to`);
  }

  /** Sends SIGSTOP. The server does not reply from the moment this returns. */
  pause(): void {
    if (this.#child !== undefined) stopProcess(this.#child);
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
      // Ctrl-C goes to this process. Cleanup still needs the server.
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
