/** Who of those that can do something is the least loaded. */

import { BusbarError } from '../../contract/errors.ts';
import type { BusRuntime } from '../runtime.ts';
import { inboxOf } from './agent-names.ts';
import type { Registry } from './registry.ts';

/** How long a look at the load is trusted. What this bus sends meanwhile is counted in. */
const TRUSTED_MS = 250;
const MAX_NAMES = 1000;

interface Candidate {
  readonly name: string;
  readonly limit: number;
  /** Mail that waits or is handled, requests that run, and what was sent since the look. */
  work: number;
}

interface LoadSnapshot {
  readonly at: number;
  readonly candidates: readonly Candidate[];
}

/** Chooses agents by capability. */
export class LeastLoadedSelector {
  readonly #runtime: BusRuntime;
  readonly #registry: Registry;
  readonly #looks = new Map<string, Promise<LoadSnapshot>>();

  constructor(runtime: BusRuntime, registry: Registry) {
    this.#runtime = runtime;
    this.#registry = registry;
  }

  /** Agents that are online and have `capability`, the least loaded first. Rejects with NO_RESPONDER where there is none. */
  async choose(capability: string): Promise<string[]> {
    const { candidates } = await this.#look(capability);
    const best = candidates.toSorted((a, b) => a.work / a.limit - b.work / b.limit || b.limit - a.limit);
    const first = best[0];
    if (first === undefined) {
      this.#looks.delete(capability);
      throw new BusbarError('NO_RESPONDER', `no agent that is online has the capability ${capability}`, {
        hint: 'Start one, or look at who is there: bus.agents({ capability }).',
      });
    }
    first.work += 1;
    return best.map(({ name }) => name);
  }

  /** All agents that are online and have `capability`, or all, in order of name. */
  async all(capability: string | undefined): Promise<string[]> {
    const agents = await this.#registry.list(capability === undefined ? {} : { capability, online: true });
    return agents.filter(({ registeredAt }) => registeredAt !== undefined).map(({ name }) => name);
  }

  /** The newest look. Those who choose at the same moment share it, so that they do not all choose the same. */
  async #look(capability: string): Promise<LoadSnapshot> {
    const known = this.#looks.get(capability);
    if (known !== undefined) {
      const look = await known;
      if (performance.now() - look.at < TRUSTED_MS) return look;
      if (this.#looks.get(capability) !== known) return this.#look(capability);
    }
    const look = this.#lookAnew(capability);
    this.#looks.set(capability, look);
    look.catch(() => this.#looks.delete(capability));
    return look;
  }

  async #lookAnew(capability: string): Promise<LoadSnapshot> {
    const candidates: Candidate[] = [];
    for (const [name, instances] of await this.#registry.instances()) {
      const able = instances.filter(({ capabilities }) => capabilities.includes(capability));
      const limit = able.reduce((sum, instance) => sum + instance.limit, 0);
      const load = able.reduce((sum, instance) => sum + instance.load, 0);
      if (able.length > 0) candidates.push({ name, limit: Math.max(1, limit), work: load });
    }
    await this.#addDepths(candidates);
    return { at: performance.now(), candidates };
  }

  /** Counts mail that waits. What is handled is part of the load already. */
  async #addDepths(candidates: readonly Candidate[]): Promise<void> {
    const byInbox = new Map(candidates.map((candidate) => [inboxOf(candidate.name), candidate]));
    const names = [...byInbox.keys()];
    for (let start = 0; start < names.length; start += MAX_NAMES) {
      const queues = await this.#runtime.transport.admin.queues({ names: names.slice(start, start + MAX_NAMES) });
      for (const { name, ready } of queues) {
        const candidate = byInbox.get(name);
        if (candidate !== undefined) candidate.work += ready;
      }
    }
  }
}
