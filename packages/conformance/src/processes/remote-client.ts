/** Clients in their own processes. Cases can kill, pause and block them. They are killed when this process exits. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type {
  Delivery,
  KvEntry,
  MessageInput,
  PutResult,
  ReceiveOptions,
  SendResult,
  Settlement,
  SettleResult,
} from '@busbar/api/transport';
import type { Opener } from '../harness.ts';
import { type Confinement, confinedCommand } from './confinement.ts';
import {
  type ConsumeOptions,
  type FromClient,
  type LoadProgress,
  type Method,
  type ProduceOptions,
  type ToClient,
  unpackError,
  unpackResults,
} from './protocol.ts';
import { RemoteLoad } from './remote-load.ts';

const isSource = import.meta.url.endsWith('.ts');
const program = fileURLToPath(siblingOf('client-program'));
const running = new Set<ChildProcess>();

/** URL of a module of the folder `programs`, for {@link RemoteClient.run}. */
export function moduleOf(name: string): string {
  return siblingOf(`programs/${name}`);
}

function siblingOf(name: string): string {
  return new URL(`./${name}${extname(import.meta.url)}`, import.meta.url).href;
}

/** Starts a client. Rejects with the error of the opener. */
export async function spawnClient(opener: Opener, confinement: Confinement = {}): Promise<RemoteClient> {
  const client = new RemoteClient(start(confinement));
  try {
    await client.open(opener);
    return client;
  } catch (error) {
    await client.kill();
    throw error;
  }
}

function start(confinement: Confinement): ChildProcess {
  const command = [process.execPath, ...(isSource ? ['--conditions=@busbar/source'] : []), program];
  const [file = '', ...args] = confinedCommand(confinement, command);
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], serialization: 'advanced' });
  if (running.size === 0) process.on('exit', killAll);
  running.add(child);
  child.once('close', () => {
    running.delete(child);
    if (running.size === 0) process.off('exit', killAll);
  });
  return child;
}

function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** A client in its own process. Errors keep their code. */
export class RemoteClient {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #started: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #gone: Promise<number | null>;
  readonly #pending = new Map<number, Pending>();
  readonly #loads = new Map<number, RemoteLoad>();
  /** Progress of a load can arrive before the response with its number. */
  readonly #early: LoadProgress[] = [];
  #calls = 0;
  #stderr = '';

  /** @internal use {@link spawnClient} */
  constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? -1;
    this.#started.promise.catch(() => undefined);
    child.stderr
      ?.setEncoding('utf8')
      .on('data', (text: string) => (this.#stderr = (this.#stderr + text).slice(-4_000)));
    child.on('message', (message) => this.#take(message as FromClient));
    child.on('error', (error) => this.#end(error.message));
    this.#gone = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#end(signal ?? `exit code ${code}`);
        resolve(code);
      });
    });
  }

  async open(opener: Opener): Promise<void> {
    this.#tell({ kind: 'start', opener });
    await this.#started.promise;
  }

  readonly send = (queue: string, messages: readonly MessageInput[]): Promise<SendResult[]> =>
    this.#call('send', [queue, messages]);
  readonly receive = (queue: string, options?: Omit<ReceiveOptions, 'signal'>): Promise<Delivery[]> =>
    this.#call('receive', [queue, options]);
  readonly settle = (settlements: readonly Settlement[]): Promise<SettleResult[]> =>
    this.#call('settle', [settlements]);
  readonly publish = (topic: string, messages: readonly MessageInput[]): Promise<SendResult[]> =>
    this.#call('publish', [topic, messages]);
  readonly put = (key: string, text: string, options?: { ttlMs?: number; ifRevision?: number }): Promise<PutResult> =>
    this.#call('put', [key, text, options]);
  readonly get = (key: string): Promise<KvEntry | undefined> => this.#call('get', [key]);
  /** Sends messages with ids `prefix-0`, `prefix-1`, … until `stop`. The reported progress of a killed process is kept. */
  readonly produce = (queue: string, options: ProduceOptions): Promise<RemoteLoad> =>
    this.#load('produce', [queue, options]);
  /** Receives and acks until `stop`. The reported progress of a killed process is kept. */
  readonly consume = (queue: string, options?: ConsumeOptions): Promise<RemoteLoad> =>
    this.#load('consume', [queue, options]);
  /** Blocks its event loop for `ms`. Resolves afterwards. */
  readonly block = (ms: number): Promise<void> => this.#call('block', [ms]);
  /** Shifts its wall clock by `ms` (Date only). */
  readonly shiftClock = (ms: number): Promise<void> => this.#call('shiftClock', [ms]);

  /**
   * Calls the export `name` of `module` (a URL) in that process with the transport and `argument`, and returns its result.
   * Argument and result are structured clones.
   */
  run<T>(module: string, name: string, argument?: unknown): Promise<T> {
    return this.#call<T>('run', [module, name, argument]);
  }

  /** Closes its transport and ends the process. Resolves with the exit code. */
  async close(): Promise<number | null> {
    await this.#call('close', []);
    return this.#gone;
  }

  /** Resolves with the exit code when the process has ended. */
  get ended(): Promise<number | null> {
    return this.#gone;
  }

  /** Ends its program without closing the transport. Resolves when only that may keep the process alive. */
  async leave(): Promise<void> {
    await this.#call('leave', []);
    if (this.#child.connected) await once(this.#child, 'disconnect');
  }

  /** Sends SIGKILL. Resolves when the process has ended. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#gone;
  }

  /** SIGSTOP. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  /** SIGCONT. */
  resume(): void {
    this.#child.kill('SIGCONT');
  }

  async #load(method: 'produce' | 'consume', args: readonly unknown[]): Promise<RemoteLoad> {
    const number = await this.#call<number>(method, args);
    const load = new RemoteLoad(() => this.#call('stopLoad', [number]));
    this.#loads.set(number, load);
    for (const progress of this.#early) if (progress.load === number) load.take(progress);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) load.end();
    return load;
  }

  #call<T>(method: Method, args: readonly unknown[]): Promise<T> {
    this.#calls += 1;
    const id = this.#calls;
    const result = new Promise<unknown>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    // Killing a process must not leave an unhandled rejection.
    result.catch(() => undefined);
    if (!this.#tell({ kind: 'call', id, method, args })) this.#settle(id)?.reject(this.#goneError('already ended'));
    return result as Promise<T>;
  }

  #tell(message: ToClient): boolean {
    if (!this.#child.connected) return false;
    this.#child.send(message, () => undefined);
    return true;
  }

  #take(message: FromClient): void {
    if (message.kind === 'started') this.#started.resolve();
    else if (message.kind === 'refused') this.#started.reject(unpackError(message.error));
    else if (message.kind === 'response') this.#settle(message.id)?.resolve(unpackResults(message.value));
    else if (message.kind === 'error') this.#settle(message.id)?.reject(unpackError(message.error));
    else this.#takeProgress(message);
  }

  #takeProgress(progress: LoadProgress): void {
    const load = this.#loads.get(progress.load);
    if (load === undefined) this.#early.push(progress);
    else load.take(progress);
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #end(how: string): void {
    const error = this.#goneError(how);
    this.#started.reject(error);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    for (const load of this.#loads.values()) load.end();
  }

  #goneError(how: string): Error {
    return new Error(`the process of a client ended: ${how}${this.#stderr === '' ? '' : `\n${this.#stderr}`}`);
  }
}
