/** The processes of a run: starts, stops and kills them, and passes their events on. */

import { type Child, spawnChild } from '@busbar/testbed';
import { AGENTS, type Role } from '../bus/names.ts';
import type { ProcessConfig, RunConfig } from './process-config.ts';
import type { Order, ProcessEvent } from './process-event.ts';

/** One process. */
export interface RunProcess {
  readonly role: Role;
  /** The name of its agent. */
  readonly name: string;
  readonly child: Child;
}

/** Callbacks of {@link Workers}. */
export interface WorkersListener {
  onEvent(event: ProcessEvent): void;
  /** A process ended that {@link Workers} did not end. */
  onExit(error: Error): void;
}

const CLOSE_MS = 5_000;

/** All processes of a run. Disposing of it kills them. */
export class Workers implements AsyncDisposable {
  readonly #config: RunConfig;
  readonly #listener: WorkersListener;
  readonly #processes = new Map<string, RunProcess>();
  readonly #onReady = new Map<string, () => void>();

  constructor(config: RunConfig, listener: WorkersListener) {
    this.#config = config;
    this.#listener = listener;
  }

  /** The living processes of one role. */
  withRole(wanted: Role): RunProcess[] {
    return [...this.#processes.values()].filter(({ role }) => role === wanted);
  }

  /** Starts a process; resolves once it is ready. A `number` is part of its name. */
  async start(role: Role, number?: number): Promise<void> {
    const name = number === undefined ? AGENTS[role] : `${AGENTS[role]}-${number}`;
    const config: ProcessConfig = { ...this.#config, name };
    const child = spawnChild({
      file: new URL(`./roles/${role}.ts`, import.meta.url),
      args: [JSON.stringify(config)],
      onMessage: (event) => this.#receive(name, event as ProcessEvent),
    });
    this.#processes.set(name, { role, name, child });
    void child.exited.then(({ code, signal }) => {
      if (!this.#processes.has(name)) return;
      const text = child.stderr.trim() || '(nothing on its stderr)';
      this.#listener.onExit(new Error(`${name} ended by itself (${signal ?? `exit code ${code}`}):\n${text}`));
    });
    await this.#ready(name);
  }

  /** Ends a process with SIGKILL. */
  async kill({ name, child }: RunProcess): Promise<void> {
    this.#processes.delete(name);
    await child.kill('SIGKILL');
  }

  /** Sends an order to the only process of a role. */
  order(role: Role, order: Order): void {
    this.#processes.get(AGENTS[role])?.child.send(order);
  }

  /** Resolves once the events that the processes have reported so far are here. */
  async flush(): Promise<void> {
    const flushes = [...this.#processes.values()].map(({ name, child }) => {
      const ready = this.#ready(name);
      child.send({ kind: 'flush' } satisfies Order);
      return ready;
    });
    await Promise.all(flushes);
  }

  /** Ends all processes with SIGTERM, and with SIGKILL those that take too long. */
  async close(): Promise<void> {
    const children = this.#takeAll();
    const late = setTimeout(() => children.forEach((child) => void child.kill('SIGKILL')), CLOSE_MS);
    await Promise.all(children.map((child) => child.kill('SIGTERM')));
    clearTimeout(late);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#takeAll().map((child) => child.kill('SIGKILL')));
  }

  #takeAll(): Child[] {
    const children = [...this.#processes.values()].map(({ child }) => child);
    this.#processes.clear();
    return children;
  }

  #ready(name: string): Promise<void> {
    return new Promise((resolve) => this.#onReady.set(name, resolve));
  }

  #receive(name: string, event: ProcessEvent): void {
    if (event.kind === 'ready') this.#onReady.get(name)?.();
    this.#listener.onEvent(event);
  }
}
