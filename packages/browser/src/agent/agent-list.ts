/** The agents of the bus: a list, and a watch. */

import {
  type AgentInfo,
  fromPresenceKey,
  IDENTITY_PREFIX,
  type OnPresence,
  PRESENCE_PREFIX,
  readIdentity,
  readInstance,
  toAgentInfo,
  watchPresence,
} from '@busbar/api/parts';
import type { KvEntry, KvWatch } from '@busbar/api/transport';
import type { PageCore } from '../page-core.ts';

const PAGE = 1_000;

/** Agents that are registered or online, in order of name. */
export async function listAgents(core: PageCore): Promise<AgentInfo[]> {
  const [identities, presences] = await Promise.all([all(core, IDENTITY_PREFIX), all(core, PRESENCE_PREFIX)]);
  const known = new Map(identities.map(readIdentity).map((identity) => [identity?.name ?? '', identity]));
  const online = Map.groupBy(presences, ({ key }) => fromPresenceKey(key).name);
  const names = [...new Set([...known.keys(), ...online.keys()])].filter((name) => name !== '').sort();
  return names.map((name) => {
    const instances = (online.get(name) ?? []).flatMap((entry) => readInstance(entry) ?? []);
    return toAgentInfo(name, known.get(name), instances);
  });
}

/** Reports each online agent, then each change. Resolves after the agents online now are reported. */
export function watchAgents(core: PageCore, onChange: OnPresence): Promise<KvWatch> {
  const { store, shutdown } = core;
  const report = (error: unknown): void => core.report(error);
  return watchPresence({ kv: store.kv, shutdown, assertOpen: () => core.assertOpen(), report }, onChange);
}

async function all({ store }: PageCore, prefix: string): Promise<KvEntry[]> {
  const entries: KvEntry[] = [];
  for (;;) {
    const page = await store.kv.list(prefix, { limit: PAGE, after: entries.at(-1)?.key });
    entries.push(...page);
    if (page.length < PAGE) return entries;
  }
}
