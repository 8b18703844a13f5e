/** The handle of a process that plays a part. */

import { type Child, spawnChild } from '@busbar/testbed';
import type { Place } from '../client.ts';
import type { Reply } from './actor-main.ts';
import type { Part } from './client-actor.ts';
import { endOrderly } from './end-process.ts';

/** Only what hangs takes so long. */
const HANGS_MS = 300_000;
const CLOSE_MS = 5_000;

/** A process that plays a part. */
export class Actor implements AsyncDisposable {
  readonly #child: Child = spawnChild({ file: new URL('./actor-main.ts', import.meta.url) });
  #calls = 0;

  /** A process that has opened `subject`. */
  static async start(subject: string, place: Place): Promise<Actor> {
    const actor = new Actor();
    await actor.tell('open', subject, place);
    return actor;
  }

  /** A process that opens nothing. */
  static idle(): Actor {
    return new Actor();
  }

  /** Calls a verb of its {@link Part}. */
  tell<V extends keyof Part>(verb: V, ...args: Parameters<Part[V]>): ReturnType<Part[V]> {
    return this.#tell(verb, args, HANGS_MS) as ReturnType<Part[V]>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tell('close', [], CLOSE_MS).catch(() => undefined);
    await endOrderly(this.#child);
  }

  async #tell(verb: string, args: readonly unknown[], timeoutMs: number): Promise<unknown> {
    this.#calls += 1;
    const id = this.#calls;
    this.#child.send({ id, verb, args });
    const reply = await this.#child.next<Reply>((message) => message.id === id, { timeoutMs });
    if (reply.error !== undefined) throw new Error(`${verb}: ${reply.error}`);
    return reply.value;
  }
}
