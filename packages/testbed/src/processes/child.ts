// Child processes with messages, kill, pause and restart, and programs that run to their end.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Mailbox } from './mailbox.ts';
import { stopProcess } from './stop-process.ts';

/** Options of {@link spawnChild}. */
export interface ChildOptions {
  /** A TypeScript or JavaScript file. */
  readonly file: string | URL;
  readonly args?: readonly string[];
  /** Added to the environment of this process; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Receives every message instead of {@link Child.messages} and {@link Child.next}, for programs with endless output. */
  readonly onMessage?: (message: unknown) => void;
}

/** Exit status of a process. One of the two is null. */
export interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Options of {@link Child.next}. */
export interface NextOptions {
  /** Default 10,000. */
  readonly timeoutMs?: number;
}

const OUTPUT_LIMIT = 1_048_576;
const PIPES_MS = 250;
const guard = new URL('./orphan-guard.ts', import.meta.url).href;
const running = new Set<ChildProcess>();

/** Starts a file with the Node and the conditions of this process. The child never outlives this process. */
export function spawnChild(options: ChildOptions): Child {
  return new Child(options);
}

/** One run of a program. */
interface Life {
  readonly process: ChildProcess;
  readonly exited: Promise<ExitStatus>;
  readonly messages: unknown[];
  stdout: string;
  stderr: string;
}

/** A running program. Disposing kills it. */
export class Child implements AsyncDisposable {
  readonly #options: ChildOptions;
  readonly #mailbox = new Mailbox();
  #life: Life;

  /** @internal use {@link spawnChild} */
  constructor(options: ChildOptions) {
    this.#options = options;
    this.#life = this.#start();
  }

  get pid(): number {
    return this.#life.process.pid ?? -1;
  }

  get stdin(): Writable | null {
    return this.#life.process.stdin;
  }

  /** The last mebibyte of standard output. */
  get stdout(): string {
    return this.#life.stdout;
  }

  /** The last mebibyte of standard error. */
  get stderr(): string {
    return this.#life.stderr;
  }

  /** All messages since the last start. */
  get messages(): readonly unknown[] {
    return this.#life.messages;
  }

  /** Resolves when the current process has ended and its output is read. */
  get exited(): Promise<ExitStatus> {
    return this.#life.exited;
  }

  /** Sends a message to the program. Does nothing if it has ended. */
  send(message: object | string | number | boolean): void {
    // The callback catches the error of a channel that closes meanwhile.
    const { process } = this.#life;
    if (process.connected) process.send(message, () => undefined);
  }

  /** Takes the first matching message, received or future. Rejects with the program's errors if it ends first. */
  async next<T = unknown>(matches: (message: T) => boolean = () => true, options: NextOptions = {}): Promise<T> {
    const { timeoutMs = 10_000 } = options;
    const late = (): Error => this.#failure(`sent nothing that matches within ${timeoutMs} ms`);
    return (await this.#mailbox.take((message) => matches(message as T), timeoutMs, late)) as T;
  }

  /** Sends a signal, by default SIGKILL. Resolves when the process has ended. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<ExitStatus> {
    this.#life.process.kill(signal);
    return this.#life.exited;
  }

  /** Pauses the process. It is stopped or has ended when this returns. */
  stop(): void {
    stopProcess(this.#life.process);
  }

  /** Resumes a paused process. */
  cont(): void {
    this.#life.process.kill('SIGCONT');
  }

  /** Kills the process and restarts the program with the same arguments and no old messages. */
  async restart(): Promise<void> {
    await this.kill();
    this.#mailbox.clear();
    this.#life = this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #start(): Life {
    const child = start(this.#options);
    const { promise: exited, resolve } = Promise.withResolvers<ExitStatus>();
    const life: Life = { process: child, exited, messages: [], stdout: '', stderr: '' };
    child.stdout?.setEncoding('utf8').on('data', (text) => (life.stdout = (life.stdout + text).slice(-OUTPUT_LIMIT)));
    child.stderr?.setEncoding('utf8').on('data', (text) => (life.stderr = (life.stderr + text).slice(-OUTPUT_LIMIT)));
    child.on('message', this.#options.onMessage ?? ((message) => this.#keep(life, message)));
    onceEnded(child, life, (status) => {
      this.#mailbox.fail(this.#failure(status.signal ? `was killed by ${status.signal}` : `ended with ${status.code}`));
      resolve(status);
    });
    return life;
  }

  #keep(life: Life, message: unknown): void {
    life.messages.push(message);
    this.#mailbox.put(message);
  }

  #failure(what: string): Error {
    const output = this.#life.stderr.trim() || '(nothing on stderr)';
    return new Error(`child ${this.#options.file} ${what}\n${output}`);
  }
}

function start({ file, args = [], env, cwd }: ChildOptions): ChildProcess {
  const path = file instanceof URL ? fileURLToPath(file) : file;
  // The command, which is no TypeScript, finds its source itself.
  const conditions = path.endsWith('.ts') ? ['--conditions=@busbar/source'] : [];
  const child = spawn(process.execPath, [...conditions, `--import=${guard}`, path, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  // Writing to an ended program does not fail the test.
  child.stdin?.on('error', () => undefined);
  if (running.size === 0) process.on('exit', killAll);
  running.add(child);
  return child;
}

function onceEnded(child: ChildProcess, life: Life, listener: (status: ExitStatus) => void): void {
  const end = (code: number | null, signal: NodeJS.Signals | null): void => {
    if (!running.delete(child)) return;
    if (running.size === 0) process.off('exit', killAll);
    listener({ code, signal });
  };
  child.on('close', end);
  // `close` is not emitted while a grandchild keeps the pipes open.
  child.on('exit', (code, signal) => setTimeout(end, PIPES_MS, code, signal).unref());
  child.on('error', (error) => {
    life.stderr += error.message;
    if (child.pid === undefined) end(-1, null);
  });
}

function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** Options of {@link runNode}. */
export interface RunOptions extends ChildOptions {
  /** Written to its standard input, which is then closed. */
  readonly input?: string;
  /** Default 15,000. Afterwards the program is killed and the call fails. */
  readonly timeoutMs?: number;
}

/** Exit status and output of the program. */
export interface Outcome extends ExitStatus {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a TypeScript or JavaScript file. Resolves for any exit status. */
export async function runNode(options: RunOptions): Promise<Outcome> {
  const { input = '', timeoutMs = 15_000 } = options;
  await using child = spawnChild(options);
  child.stdin?.end(input);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void child.kill();
  }, timeoutMs);
  const status = await child.exited;
  clearTimeout(timer);
  const { stdout, stderr } = child;
  if (late) throw new Error(`${options.file} did not end within ${timeoutMs} ms\n${stdout}${stderr}`);
  return { ...status, stdout, stderr };
}
