/** The handle of a process that plays a part. */

import { type Child, spawnChild } from '@busbar/testbed';
import type { Client, Heard, Ping, Place, Produced } from './client.ts';
import type { Usage } from './role.ts';
import type { SubjectName } from './subjects.ts';

const FOREVER_MS = 2_000_000_000;

/** A process that plays a part. */
export class Actor implements AsyncDisposable {
  readonly #child: Child = spawnChild({ file: new URL('./role.ts', import.meta.url) });
  #calls = 0;
  #verbs: ReadonlySet<string> = new Set();

  static async start(subject: SubjectName, place: Place): Promise<Actor> {
    const actor = new Actor();
    actor.#verbs = new Set((await actor.#tell('open', [subject, place])) as string[]);
    return actor;
  }

  /** A process that opens nothing. */
  static idle(): Actor {
    return new Actor();
  }

  can(verb: keyof Client): boolean {
    return this.#verbs.has(verb);
  }

  async produce(count: number, inFlight: number, bodyBytes: number): Promise<Produced> {
    return (await this.#tell('produce', [count, inFlight, bodyBytes])) as Produced;
  }

  async consume(count: number, inFlight: number): Promise<void> {
    await this.#tell('consume', [count, inFlight]);
  }

  async ask(count: number, inFlight: number): Promise<readonly number[]> {
    return (await this.#tell('ask', [count, inFlight])) as number[];
  }

  async ping(): Promise<Ping> {
    return (await this.#tell('ping', [])) as Ping;
  }

  async heard(): Promise<readonly Heard[]> {
    return (await this.#tell('heard', [])) as Heard[];
  }

  async usage(): Promise<Usage> {
    return (await this.#tell('usage', [])) as Usage;
  }

  async do(verb: 'listen' | 'answer'): Promise<void> {
    await this.#tell(verb, []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tell('close', []).catch(() => undefined);
    await this.#child[Symbol.asyncDispose]();
  }

  async #tell(verb: string, args: readonly unknown[]): Promise<unknown> {
    this.#calls += 1;
    const id = this.#calls;
    this.#child.send({ id, verb, args });
    const matches = (message: { id: number }): boolean => message.id === id;
    const reply = await this.#child.next<{ id: number; value?: unknown; error?: string }>(matches, {
      timeoutMs: FOREVER_MS,
    });
    if (reply.error !== undefined) throw new Error(`${verb}: ${reply.error}`);
    return reply.value;
  }
}
