/** The handle of a process that runs a {@link ClientActor}. */

import { type Child, spawnChild } from '@busbar/testbed';
import type { TargetLocation } from '../client.ts';
import type { ActorReply } from './actor-main.ts';
import type { ClientActor } from './client-actor.ts';
import { endProcess } from './end-process.ts';

/** Only a process that hangs takes this long. */
const CALL_TIMEOUT_MS = 300_000;
const CLOSE_TIMEOUT_MS = 5_000;

/** A process with a client actor. */
export class ActorProcess implements AsyncDisposable {
  readonly #child: Child = spawnChild({ file: new URL('./actor-main.ts', import.meta.url) });
  #calls = 0;

  /** Starts a process and opens `target` in it. */
  static async start(target: string, location: TargetLocation): Promise<ActorProcess> {
    const actor = new ActorProcess();
    await actor.call('open', target, location);
    return actor;
  }

  /** Starts a process without a target. */
  static bare(): ActorProcess {
    return new ActorProcess();
  }

  /** Calls a method of the {@link ClientActor}. */
  call<V extends keyof ClientActor>(verb: V, ...args: Parameters<ClientActor[V]>): ReturnType<ClientActor[V]> {
    return this.#call(verb, args, CALL_TIMEOUT_MS) as ReturnType<ClientActor[V]>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#call('close', [], CLOSE_TIMEOUT_MS).catch(() => undefined);
    await endProcess(this.#child);
  }

  async #call(verb: string, args: readonly unknown[], timeoutMs: number): Promise<unknown> {
    this.#calls += 1;
    const id = this.#calls;
    this.#child.send({ id, verb, args });
    const reply = await this.#child.next<ActorReply>((message) => message.id === id, { timeoutMs });
    if (reply.error !== undefined) throw new Error(`${verb}: ${reply.error}`);
    return reply.value;
  }
}
