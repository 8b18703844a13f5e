/** The environment of one measurement: a temporary folder, a server, and processes. */

import { freePort, tempDir } from '@busbar/testbed';
import type { TargetLocation } from '../client.ts';
import type { Durability } from '../durability.ts';
import { ActorProcess } from '../processes/actor-process.ts';
import { cpuMsOf, rssBytesOf } from '../processes/usage.ts';
import { addTallies, type Tally } from '../tally.ts';
import { TARGETS } from '../targets/targets.ts';
import type { RunningServer } from './running-server.ts';
import { SERVERS } from './servers.ts';

/** The environment of one target. Disposing of it ends the processes and removes the data. */
export class Sandbox implements AsyncDisposable {
  readonly location: TargetLocation;
  readonly #target: string;
  readonly #server: RunningServer | undefined;
  readonly #stack: AsyncDisposableStack;
  readonly #actors: ActorProcess[] = [];
  readonly #accounts: Tally[] = [];

  private constructor(
    target: string,
    location: TargetLocation,
    server: RunningServer | undefined,
    stack: AsyncDisposableStack,
  ) {
    this.location = location;
    this.#target = target;
    this.#server = server;
    this.#stack = stack;
  }

  /** Starts the server of `target`; undefined is for a scenario without a target. */
  static async create(target: string | undefined, durability: Durability): Promise<Sandbox> {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(tempDir('busbar-bench')).path;
    const { server: name } = (target === undefined ? undefined : TARGETS[target]) ?? {};
    const server = name === undefined ? undefined : stack.use(await SERVERS[name].start(durability, folder));
    const location = { folder, durability, url: server?.url ?? '', port: await freePort() };
    return new Sandbox(target ?? '', location, server, stack.move());
  }

  /** Starts a process with the target opened; it ends with the sandbox. */
  async actor(): Promise<ActorProcess> {
    const actor = this.#stack.use(await ActorProcess.start(this.#target, this.location));
    this.#actors.push(actor);
    return actor;
  }

  /** CPU time of the server so far; NaN without one. */
  serverCpuMs(): number {
    return this.#server === undefined ? Number.NaN : cpuMsOf(this.#server.pid);
  }

  /** Memory of the server; NaN without one. */
  serverRssBytes(): number {
    return this.#server === undefined ? Number.NaN : rssBytesOf(this.#server.pid);
  }

  /** CPU time of all processes so far, the server included. */
  async cpuMs(): Promise<number> {
    const actors = await Promise.all(this.#actors.map((actor) => actor.call('cpuMs')));
    return actors.reduce((sum, ms) => sum + ms, this.#server === undefined ? 0 : this.serverCpuMs());
  }

  /** Adds an account that no single process can give. */
  account(tally: Tally): void {
    this.#accounts.push(tally);
  }

  /** What all processes had to receive, and what was lost or doubled. */
  async tally(): Promise<Tally> {
    return addTallies([...this.#accounts, ...(await Promise.all(this.#actors.map((actor) => actor.call('tally'))))]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
