/** Watches agents go online and offline. Each change is reported once. */

import type { CallOptions } from '../../contract/call-options.ts';
import type { KeyValue, KvChange, KvEntry, KvWatch } from '../../contract/kv.ts';
import { checkCallback, checkDuration, checkOptions, checkSignal, MAX_TIMER_MS } from '../../contract/validation.ts';
import { BoundedWait } from '../bounded-wait.ts';
import type { Shutdown } from '../shutdown.ts';
import { type AgentInfo, type AgentInstance, readIdentity, readInstance, toAgentInfo } from './agent-info.ts';
import { fromPresenceKey, identityKey, PRESENCE_PREFIX } from './agent-names.ts';

/**
 * A change of an agent. `online`: its first instance is online. `offline`: its last instance is gone, at most one TTL after
 * its death. `changed`: its capabilities, its limit or its instances changed.
 */
export interface PresenceChange {
  readonly kind: 'online' | 'offline' | 'changed';
  readonly agent: AgentInfo;
}

/** Receives one change at a time. The next one follows when its promise resolves. */
export type OnPresence = (change: PresenceChange) => void | Promise<void>;

/** What a watch of agents needs of its bus. */
export interface PresenceHost {
  readonly kv: Pick<KeyValue, 'get' | 'watch'>;
  readonly shutdown: Shutdown;
  /** Throws CLOSED after the bus began to close. */
  assertOpen(): void;
  /** Gets errors without a waiting caller, such as those of `onChange`. */
  report(error: unknown): void;
}

/** Reports every online agent, then every change. An error of `onChange` is reported, and the watch goes on. */
export async function watchPresence(host: PresenceHost, onChange: OnPresence): Promise<KvWatch> {
  checkCallback(onChange, 'onChange');
  host.assertOpen();
  const { promise: synced, resolve } = Promise.withResolvers<void>();
  const { kv, shutdown } = host;
  const report = (error: unknown): void => host.report(error);
  const view = new PresenceView({ kv, report, onChange });
  const watch = await kv.watch(PRESENCE_PREFIX, async (changes) => {
    await view.take(changes);
    if (changes.some(({ kind }) => kind === 'synced')) resolve();
  });
  if (shutdown.isClosing) await watch.close();
  host.assertOpen();
  const forget = shutdown.add('consumers', { close: () => watch.close() });
  void watch.ended.then((error) => {
    forget();
    resolve();
    if (error !== undefined) report(error);
  });
  await synced;
  return watch;
}

/** Like {@link watchPresence}. The opening, up to the agents that are online now, obeys `bounds`. */
export async function watchWithin(
  host: PresenceHost,
  onChange: OnPresence,
  bounds: CallOptions = {},
): Promise<KvWatch> {
  checkOptions(bounds, ['timeoutMs', 'signal'], 'watch options');
  checkDuration(bounds.timeoutMs, 'timeoutMs', { min: 1, max: MAX_TIMER_MS, infinity: true });
  checkSignal(bounds.signal);
  const kv: PresenceHost['kv'] = {
    get: (key) => host.kv.get(key),
    watch: (prefix, onChanges) => host.kv.watch(prefix, onChanges, bounds),
  };
  const { shutdown } = host;
  const bounded = { kv, shutdown, assertOpen: () => host.assertOpen(), report: (error: unknown) => host.report(error) };
  const opening = watchPresence(bounded, onChange);
  const wait = new BoundedWait({ waitMs: bounds.timeoutMs ?? Number.POSITIVE_INFINITY, signal: bounds.signal });
  try {
    return await wait.race(opening);
  } catch (error) {
    void opening.then((watch) => watch.close()).catch(() => undefined);
    throw error;
  } finally {
    wait.end();
  }
}

/** What a {@link PresenceView} works with. */
export interface PresencePlan {
  readonly kv: Pick<KeyValue, 'get'>;
  readonly onChange: OnPresence;
  /** Gets errors of `onChange`. */
  readonly report: (error: unknown) => void;
}

/** The online agents that one watch of {@link PRESENCE_PREFIX} has seen. */
export class PresenceView {
  readonly #plan: PresencePlan;
  readonly #instances = new Map<string, Map<string, AgentInstance>>();
  readonly #reported = new Map<string, AgentInfo>();

  constructor(plan: PresencePlan) {
    this.#plan = plan;
  }

  /** Applies a batch of changes and reports each agent that differs. */
  async take(changes: readonly KvChange[]): Promise<void> {
    const touched = new Set<string>();
    for (const change of changes) {
      if (change.kind === 'synced') continue;
      const { name, instance } = fromPresenceKey(change.kind === 'put' ? change.entry.key : change.key);
      this.#note(name, instance, change.kind === 'put' ? change.entry : undefined);
      touched.add(name);
    }
    for (const name of touched) await this.#compare(name);
  }

  #note(name: string, instance: string, entry: KvEntry | undefined): void {
    const instances = this.#instances.get(name) ?? new Map<string, AgentInstance>();
    const data = entry && readInstance(entry);
    if (data === undefined) instances.delete(instance);
    else instances.set(instance, data);
    if (instances.size === 0) this.#instances.delete(name);
    else this.#instances.set(name, instances);
  }

  async #compare(name: string): Promise<void> {
    const old = this.#reported.get(name);
    const instances = [...(this.#instances.get(name)?.values() ?? [])];
    const before = old && outline(old);
    const bare = toAgentInfo(name, undefined, instances);
    if (old === undefined ? !bare.online : bare.online && outline(bare) === before) return;
    const agent = toAgentInfo(name, await this.#identity(name), instances);
    if (agent.online) this.#reported.set(name, agent);
    else this.#reported.delete(name);
    const kind = old === undefined ? 'online' : agent.online ? 'changed' : 'offline';
    try {
      await this.#plan.onChange({ kind, agent });
    } catch (error) {
      this.#plan.report(error);
    }
  }

  async #identity(name: string): Promise<ReturnType<typeof readIdentity>> {
    const entry = await this.#plan.kv.get(identityKey(name)).catch(() => undefined);
    return entry && readIdentity(entry);
  }
}

/** The properties that count as a change. Load and times change too often. */
function outline({ capabilities, limit, instances }: AgentInfo): string {
  const ids = instances.map(({ instance, pid }) => `${instance} ${pid}`).sort();
  return JSON.stringify([capabilities, limit, ids]);
}
