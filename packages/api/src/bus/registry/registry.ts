/** The registry of agents: identities and presence. */

import type { CallOptions } from '../../contract/call-options.ts';
import { BusbarError } from '../../contract/errors.ts';
import type { KvEntry } from '../../contract/kv.ts';
import { nearestName } from '../../contract/nearest-name.ts';
import { checkBoolean, checkOptions, checkText } from '../../contract/validation.ts';
import { toBounds } from '../messages/message-options.ts';
import type { BusRuntime } from '../runtime.ts';
import {
  type AgentIdentity,
  type AgentInfo,
  type AgentInstance,
  readIdentity,
  readInstance,
  toAgentInfo,
} from './agent-info.ts';
import {
  addressOf,
  checkAgentName,
  fromPresenceKey,
  IDENTITY_PREFIX,
  identityKey,
  inboxOf,
  logPrefix,
  PRESENCE_PREFIX,
  presenceKey,
} from './agent-names.ts';
import type { AgentSettings } from './agent-options.ts';

/** How long an error waits for what its hint needs: the store may be away. */
export const HINT_MS = 1_000;

/** Which agents to list, and how long that may take. */
export interface AgentFilter extends CallOptions {
  /** Only agents with this capability. */
  readonly capability?: string | undefined;
  /** Only online agents, or only offline agents. */
  readonly online?: boolean | undefined;
}

/** How to forget an agent, and how long that may take. */
export interface ForgetOptions extends CallOptions {
  /** Forget it even while it is online. Its live instances then register again, with an empty inbox. Default false. */
  readonly force?: boolean | undefined;
}

const PAGE = 1000;
const encoder = new TextEncoder();

/** Identities and presence of agents, stored in the key-value facet. */
export class Registry {
  readonly #runtime: BusRuntime;

  constructor(runtime: BusRuntime) {
    this.#runtime = runtime;
  }

  /** Creates the inbox and the identity of an agent. An existing identity keeps its time of registration. */
  async register(name: string, settings: AgentSettings, bounds?: CallOptions): Promise<void> {
    const { leaseMs, maxAttempts } = settings;
    const mailbox = {
      ...(leaseMs === undefined ? {} : { leaseMs }),
      ...(maxAttempts === undefined ? {} : { maxAttempts }),
    };
    await this.#runtime.transport.queues.configure(inboxOf(name), mailbox, bounds);
    while (!(await this.#putIdentity(name, settings, bounds)));
  }

  /** Agents that are registered or online, in order of name. */
  async list(filter: AgentFilter = {}): Promise<AgentInfo[]> {
    checkOptions(filter, ['capability', 'online', 'timeoutMs', 'signal'], 'agent filter');
    checkText(filter.capability, 'capability', 255);
    checkBoolean(filter.online, 'online');
    const { capability, online, timeoutMs, signal } = filter;
    const call = { timeoutMs, signal };
    const [identities, instances] = await Promise.all([this.#identities(call), this.instances(call)]);
    const names = [...new Set([...identities.keys(), ...instances.keys()])].sort();
    return names
      .map((name) => toAgentInfo(name, identities.get(name), instances.get(name) ?? []))
      .filter((agent) => online === undefined || agent.online === online)
      .filter((agent) => capability === undefined || agent.capabilities.includes(capability));
  }

  /** Online instances by agent. */
  async instances(call?: CallOptions): Promise<Map<string, AgentInstance[]>> {
    const byName = new Map<string, AgentInstance[]>();
    for (const entry of await this.all(PRESENCE_PREFIX, call)) {
      const instance = readInstance(entry);
      if (instance === undefined) continue;
      const { name } = fromPresenceKey(entry.key);
      byName.set(name, [...(byName.get(name) ?? []), instance]);
    }
    return byName;
  }

  async isRegistered(name: string, call?: CallOptions): Promise<boolean> {
    return (await this.#runtime.transport.kv.get(identityKey(name), call)) !== undefined;
  }

  /** The registered name that is nearest to `name`, for hints. Never rejects. */
  async nearest(name: string): Promise<string | undefined> {
    const identities = await this.#identities({ timeoutMs: HINT_MS }).catch(() => new Map<string, AgentIdentity>());
    return nearestName(name, identities.keys());
  }

  /** Deletes identity, inbox and log of an agent. Resolves with whether it existed. Rejects with CONFLICT while it is online. */
  async forget(name: string, options: ForgetOptions = {}): Promise<boolean> {
    checkAgentName(name);
    checkOptions(options, ['force', 'timeoutMs', 'signal'], 'forget options');
    checkBoolean(options.force, 'force');
    const bounds = toBounds(options);
    const online = (await this.instances(bounds)).get(name) ?? [];
    if (options.force !== true && online.length > 0) {
      throw new BusbarError('CONFLICT', `${name} is online`, { hint: 'Close it first, or use force: true.' });
    }
    const { kv, admin } = this.#runtime.transport;
    const prefix = logPrefix(name);
    const logs = (await this.all(prefix, bounds)).filter(({ key }) => !key.slice(prefix.length).includes('/'));
    const gone = await Promise.all([
      kv.delete(identityKey(name), bounds).then(({ status }) => status === 'deleted'),
      admin.deleteQueue(inboxOf(name), bounds),
      admin.deleteQueue(addressOf(name), bounds),
      ...logs.map(({ key }) => kv.delete(key, bounds)),
    ]);
    // Last: live instances notice that and register again.
    await Promise.all(online.map(({ instance }) => kv.delete(presenceKey(name, instance), bounds)));
    return gone.includes(true);
  }

  async all(prefix: string, call?: CallOptions): Promise<KvEntry[]> {
    const all: KvEntry[] = [];
    let after: string | undefined;
    while (true) {
      const page = await this.#runtime.transport.kv.list(prefix, { ...call, after });
      all.push(...page);
      after = page.at(-1)?.key;
      if (page.length < PAGE) return all;
    }
  }

  async #identities(call?: CallOptions): Promise<Map<string, AgentIdentity>> {
    const identities = (await this.all(IDENTITY_PREFIX, call)).map(readIdentity);
    return new Map(identities.flatMap((identity) => (identity === undefined ? [] : [[identity.name, identity]])));
  }

  /** Resolves with false after a concurrent write. */
  async #putIdentity(
    name: string,
    { capabilities, maxConcurrent, note }: AgentSettings,
    bounds: CallOptions | undefined,
  ): Promise<boolean> {
    const { kv } = this.#runtime.transport;
    const entry = await kv.get(identityKey(name), bounds);
    const old = entry && readIdentity(entry);
    const registeredAt = old?.registeredAt ?? Date.now();
    const identity = {
      name,
      capabilities,
      limit: maxConcurrent,
      registeredAt,
      ...(note === undefined ? {} : { note }),
    };
    if (JSON.stringify(old) === JSON.stringify(identity)) return true;
    const value = encoder.encode(JSON.stringify(identity));
    const result = await kv.put(identityKey(name), value, { ...bounds, ifRevision: entry?.revision ?? 0 });
    return result.status === 'stored';
  }
}
