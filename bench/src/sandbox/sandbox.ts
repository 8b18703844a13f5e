/** Where one measurement takes place: a folder, a server, processes, all thrown away after it. */

import { freePort, tempDir } from '@busbar/testbed';
import type { Place } from '../client.ts';
import type { Durability } from '../options.ts';
import { Actor } from '../processes/actor-process.ts';
import { cpuMsOf } from '../processes/usage.ts';
import { SUBJECTS } from '../targets/targets.ts';
import { SERVERS, type Served } from './servers.ts';

/** One subject, ready to be measured. */
export class Setting implements AsyncDisposable {
  readonly place: Place;
  readonly #subject: string;
  readonly #server: Served | undefined;
  readonly #rest: AsyncDisposableStack;
  readonly #actors: Actor[] = [];

  private constructor(subject: string, place: Place, server: Served | undefined, rest: AsyncDisposableStack) {
    this.place = place;
    this.#subject = subject;
    this.#server = server;
    this.#rest = rest;
  }

  /** Prepares it for `subject`; undefined for a question that brings its own. */
  static async prepare(subject: string | undefined, durability: Durability): Promise<Setting> {
    await using rest = new AsyncDisposableStack();
    const folder = rest.use(tempDir('busbar-bench')).path;
    const { server: kind } = (subject === undefined ? undefined : SUBJECTS[subject]) ?? {};
    const server = kind === undefined ? undefined : rest.use(await SERVERS[kind].start(durability, folder));
    const place = { folder, durability, url: server?.url ?? '', port: await freePort() };
    return new Setting(subject ?? '', place, server, rest.move());
  }

  /** A further process with the subject opened; it ends with the setting. */
  async actor(): Promise<Actor> {
    const actor = this.#rest.use(await Actor.start(this.#subject, this.place));
    this.#actors.push(actor);
    return actor;
  }

  /** Processor time of the server so far; NaN where there is none. */
  serverCpuMs(): number {
    return this.#server === undefined ? Number.NaN : cpuMsOf(this.#server.pid);
  }

  /** Processor time of all processes so far, the server's included. */
  async cpuMs(): Promise<number> {
    const ours = await Promise.all(this.#actors.map((actor) => actor.tell('cpuMs')));
    return ours.reduce((sum, ms) => sum + ms, this.#server === undefined ? 0 : this.serverCpuMs());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rest.disposeAsync();
  }
}
