// The agents at work while a bus moves: processes that are killed and replaced.
import { type Child, spawnChild } from '@busbar/testbed';
import type { Fact } from './facts.ts';

const READY_MS = 60_000;

/** The agents. */
export class Crew implements AsyncDisposable {
  readonly facts: Fact[] = [];
  readonly #url: string;
  readonly #agents: Child[] = [];
  #started = 0;

  constructor(url: string) {
    this.#url = url;
  }

  async start(): Promise<void> {
    this.#started += 1;
    const ready = Promise.withResolvers<void>();
    const agent = spawnChild({
      file: new URL('./agent.ts', import.meta.url),
      args: [this.#url, `a${String(this.#started).padStart(3, '0')}`],
      onMessage: (message) => {
        const fact = message as Fact;
        if (fact.kind === 'ready') ready.resolve();
        else this.facts.push(fact);
      },
    });
    this.#agents.push(agent);
    const late = setTimeout(() => ready.reject(new Error(`an agent is not ready:\n${agent.stderr}`)), READY_MS);
    await Promise.race([ready.promise, agent.exited.then(() => Promise.reject(failed(agent)))]);
    clearTimeout(late);
  }

  /** Kills the agent that has worked longest, and starts another one. */
  async killOne(): Promise<void> {
    await this.#agents.shift()?.kill('SIGKILL');
    await this.start();
  }

  /** Lets all agents end their work. */
  async end(): Promise<void> {
    const agents = this.#agents.splice(0);
    for (const agent of agents) agent.send('end');
    for (const agent of agents) {
      const { code } = await agent.exited;
      if (code !== 0) throw failed(agent);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.kill('SIGKILL')));
  }
}

function failed({ stderr }: Child): Error {
  return new Error(`an agent has failed:\n${stderr}`);
}
