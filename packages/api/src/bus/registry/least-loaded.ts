/** Selects the least loaded agent with a capability. */

import { BusbarError, isBusbarError } from '../../contract/errors.ts';
import type { BusRuntime } from '../runtime.ts';
import { inboxOf } from './agent-names.ts';
import type { Registry } from './registry.ts';

/** How long a snapshot of the load is used. Messages that this bus sends meanwhile are added. */
const TRUSTED_MS = 250;
const MAX_NAMES = 1000;

interface Candidate {
  readonly name: string;
  readonly limit: number;
  /** Pending and running messages, running requests, and messages sent since the snapshot. */
  work: number;
}

interface LoadSnapshot {
  readonly at: number;
  readonly candidates: readonly Candidate[];
}

/** Runs `run` for the first of `all`; for the next one while it fails with an error that `isGone` accepts. */
export async function tryInOrder<T, R>(
  all: readonly T[],
  isGone: (error: BusbarError) => boolean,
  run: (one: T) => Promise<R>,
): Promise<R> {
  const [first, ...others] = all;
  if (first === undefined) throw new TypeError('there is nothing to try');
  try {
    return await run(first);
  } catch (error) {
    if (others.length === 0 || !isBusbarError(error) || !isGone(error)) throw error;
    return tryInOrder(others, isGone, run);
  }
}

/** Selects agents by capability. */
export class LeastLoadedSelector {
  readonly #runtime: BusRuntime;
  readonly #registry: Registry;
  readonly #snapshots = new Map<string, Promise<LoadSnapshot>>();

  constructor(runtime: BusRuntime, registry: Registry) {
    this.#runtime = runtime;
    this.#registry = registry;
  }

  /** Online agents with `capability`, the least loaded first. Rejects with NO_RESPONDER when there are none. */
  async select(capability: string): Promise<string[]> {
    const { candidates } = await this.#snapshot(capability);
    const best = candidates.toSorted((a, b) => a.work / a.limit - b.work / b.limit || b.limit - a.limit);
    const first = best[0];
    if (first === undefined) {
      this.#snapshots.delete(capability);
      throw new BusbarError('NO_RESPONDER', `no online agent has the capability ${capability}`, {
        hint: 'Start one, or list agents with bus.agents({ capability }).',
      });
    }
    first.work += 1;
    return best.map(({ name }) => name);
  }

  /** Registered agents: the online ones with `capability`, or all. In order of name. */
  async all(capability: string | undefined): Promise<string[]> {
    const agents = await this.#registry.list(capability === undefined ? {} : { capability, online: true });
    return agents.filter(({ registeredAt }) => registeredAt !== undefined).map(({ name }) => name);
  }

  /** The latest snapshot. Concurrent selections share it, so they do not all select the same agent. */
  async #snapshot(capability: string): Promise<LoadSnapshot> {
    const known = this.#snapshots.get(capability);
    if (known !== undefined) {
      const snapshot = await known;
      if (performance.now() - snapshot.at < TRUSTED_MS) return snapshot;
      if (this.#snapshots.get(capability) !== known) return this.#snapshot(capability);
    }
    const snapshot = this.#takeSnapshot(capability);
    this.#snapshots.set(capability, snapshot);
    snapshot.catch(() => this.#snapshots.delete(capability));
    return snapshot;
  }

  async #takeSnapshot(capability: string): Promise<LoadSnapshot> {
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

  /** Adds pending messages. Running ones are part of the load. */
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
