/** The processes of a run: started, listened to, killed and replaced. */

import { type Child, spawnChild } from '@busbar/testbed';
import { AGENTS, type Role } from '../bus/names.ts';
import type { Brief, RunBrief } from './process-config.ts';
import type { News, Order } from './process-event.ts';

/** One process. */
export interface Member {
  readonly role: Role;
  /** The agent that it is. */
  readonly name: string;
  readonly child: Child;
}

/** Who is told what happens. */
export interface CrewListener {
  onNews(news: News): void;
  /** A process ended that nobody ended. */
  onLoss(error: Error): void;
}

const LEAVE_MS = 5_000;

/** All processes of a run. Disposing of it kills them. */
export class Crew implements AsyncDisposable {
  readonly #brief: RunBrief;
  readonly #listener: CrewListener;
  readonly #members = new Map<string, Member>();
  readonly #readiness = new Map<string, () => void>();

  constructor(brief: RunBrief, listener: CrewListener) {
    this.#brief = brief;
    this.#listener = listener;
  }

  /** The workers that live. */
  get workers(): Member[] {
    return [...this.#members.values()].filter(({ role }) => role === 'worker');
  }

  /** Starts a process, the one with this number where there are several; resolves once it is ready. */
  async start(role: Role, number?: number): Promise<void> {
    const name = number === undefined ? AGENTS[role] : `${AGENTS[role]}-${number}`;
    const brief: Brief = { ...this.#brief, name };
    const child = spawnChild({
      file: new URL(`./roles/${role}.ts`, import.meta.url),
      args: [JSON.stringify(brief)],
      onMessage: (news) => this.#hear(name, news as News),
    });
    this.#members.set(name, { role, name, child });
    void child.exited.then(({ code, signal }) => {
      if (!this.#members.has(name)) return;
      const text = child.stderr.trim() || '(nothing on its stderr)';
      this.#listener.onLoss(new Error(`${name} ended by itself (${signal ?? `exit code ${code}`}):\n${text}`));
    });
    await this.#ready(name);
  }

  /** Ends a process with SIGKILL. */
  async kill({ name, child }: Member): Promise<void> {
    this.#members.delete(name);
    await child.kill('SIGKILL');
  }

  /** Gives an order to the one process that plays a role. */
  order(role: Role, order: Order): void {
    this.#members.get(AGENTS[role])?.child.send(order);
  }

  /** Resolves once all that the processes have told so far is here. */
  async settle(): Promise<void> {
    await Promise.all(
      [...this.#members.values()].map(({ name, child }) => {
        const ready = this.#ready(name);
        child.send({ kind: 'report' } satisfies Order);
        return ready;
      }),
    );
  }

  /** Lets all close their business and end; those that take too long are killed. */
  async leave(): Promise<void> {
    const children = this.#dismiss();
    const late = setTimeout(() => children.forEach((child) => void child.kill('SIGKILL')), LEAVE_MS);
    await Promise.all(children.map((child) => child.kill('SIGTERM')));
    clearTimeout(late);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#dismiss().map((child) => child.kill('SIGKILL')));
  }

  #dismiss(): Child[] {
    const children = [...this.#members.values()].map(({ child }) => child);
    this.#members.clear();
    return children;
  }

  #ready(name: string): Promise<void> {
    return new Promise((resolve) => this.#readiness.set(name, resolve));
  }

  #hear(name: string, news: News): void {
    if (news.kind === 'ready') this.#readiness.get(name)?.();
    this.#listener.onNews(news);
  }
}
