/** Identities, instances and load of agents. */

import type { KvEntry } from '../../contract/kv.ts';
import type { Timing } from '../histogram.ts';
import { readObject } from '../messages/codec.ts';
import { fromPresenceKey } from './agent-names.ts';

/** The stored identity of an agent. `forgetAgent` deletes it. */
export interface AgentIdentity {
  readonly name: string;
  readonly capabilities: readonly string[];
  /** How many handlers one instance runs at a time. */
  readonly limit: number;
  /** When it was first registered, in milliseconds since 1970. */
  readonly registeredAt: number;
  readonly note?: string;
}

/** An online instance of an agent. */
export interface AgentInstance {
  readonly instance: string;
  readonly pid?: number;
  readonly host?: string;
  readonly capabilities: readonly string[];
  /** How many handlers run, as of its last heartbeat. */
  readonly load: number;
  /** How many handlers it runs at a time. */
  readonly limit: number;
  /** When it went online, in milliseconds since 1970. */
  readonly since: number;
  /** The durations of its handlers by type. */
  readonly requests: Readonly<Record<string, Timing>>;
}

/** An agent: registered, online, or both. */
export interface AgentInfo {
  readonly name: string;
  readonly online: boolean;
  /** The capabilities of all its instances; of its identity while it is offline. */
  readonly capabilities: readonly string[];
  /** Running handlers of all instances. */
  readonly load: number;
  /** The most handlers of all instances at a time; 0 while it is offline. */
  readonly limit: number;
  readonly instances: readonly AgentInstance[];
  /** When it was first registered; undefined for an unregistered agent. */
  readonly registeredAt: number | undefined;
  readonly note: string | undefined;
}

/** Merges the identity and the instances of an agent. */
export function toAgentInfo(
  name: string,
  identity: AgentIdentity | undefined,
  instances: readonly AgentInstance[],
): AgentInfo {
  const online = instances.length > 0;
  const able = online ? instances.flatMap(({ capabilities }) => capabilities) : (identity?.capabilities ?? []);
  return {
    name,
    online,
    capabilities: [...new Set(able)].sort(),
    load: instances.reduce((sum, { load }) => sum + load, 0),
    limit: instances.reduce((sum, { limit }) => sum + limit, 0),
    instances,
    registeredAt: identity?.registeredAt,
    note: identity?.note,
  };
}

/** Reads the identity in an entry; undefined for other values. */
export function readIdentity({ value }: KvEntry): AgentIdentity | undefined {
  const data = readObject(value);
  if (data === undefined || typeof data['name'] !== 'string') return undefined;
  const note = data['note'];
  return {
    name: data['name'],
    capabilities: readTexts(data['capabilities']),
    limit: readNumber(data['limit']),
    registeredAt: readNumber(data['registeredAt']),
    ...(typeof note === 'string' ? { note } : {}),
  };
}

/** Reads the instance in an entry; undefined for other values. */
export function readInstance({ key, value }: KvEntry): AgentInstance | undefined {
  const data = readObject(value);
  if (data === undefined) return undefined;
  const { pid, host, requests } = data as { pid?: unknown; host?: unknown; requests?: unknown };
  return {
    instance: fromPresenceKey(key).instance,
    ...(typeof pid === 'number' ? { pid } : {}),
    ...(typeof host === 'string' ? { host } : {}),
    capabilities: readTexts(data['capabilities']),
    load: readNumber(data['load']),
    limit: readNumber(data['limit']),
    since: readNumber(data['since']),
    requests: (typeof requests === 'object' ? requests : null) ?? ({} as Record<string, never>),
  } as AgentInstance;
}

function readTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function readNumber(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
