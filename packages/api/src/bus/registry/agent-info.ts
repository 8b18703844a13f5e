/** What is known of agents: who is registered, who is online, with what powers and what load. */

import type { KvEntry } from '../../contract/transport.ts';
import type { Timing } from '../histogram.ts';
import { fromPresenceKey } from './agent-names.ts';

/** What is kept of an agent for as long as it is not forgotten. */
export interface AgentIdentity {
  readonly name: string;
  readonly capabilities: readonly string[];
  /** How many handlers one instance runs at a time. */
  readonly limit: number;
  /** When it was first registered, in milliseconds since 1970. */
  readonly registeredAt: number;
  readonly note?: string;
}

/** One instance of an agent that is online. */
export interface AgentInstance {
  readonly instance: string;
  readonly pid?: number;
  readonly host?: string;
  readonly capabilities: readonly string[];
  /** How many handlers run now, as of its last sign of life. */
  readonly load: number;
  /** How many handlers it runs at a time. */
  readonly limit: number;
  /** Since when it is online, in milliseconds since 1970. */
  readonly since: number;
  /** How long its handlers took, by type. */
  readonly requests: Readonly<Record<string, Timing>>;
}

/** An agent: registered, online, or both. */
export interface AgentInfo {
  readonly name: string;
  readonly online: boolean;
  /** Of all its instances together; of its identity while none is online. */
  readonly capabilities: readonly string[];
  /** Handlers that run in all instances together. */
  readonly load: number;
  /** Handlers that all instances together run at a time; 0 while none is online. */
  readonly limit: number;
  readonly instances: readonly AgentInstance[];
  /** When it was first registered; undefined for one that is not. */
  readonly registeredAt: number | undefined;
  readonly note: string | undefined;
}

const decoder = new TextDecoder();

/** What an agent is, of its identity and its instances. */
export function toAgentInfo(
  name: string,
  identity: AgentIdentity | undefined,
  instances: readonly AgentInstance[],
): AgentInfo {
  const online = instances.length > 0;
  const powers = online ? instances.flatMap(({ capabilities }) => capabilities) : (identity?.capabilities ?? []);
  return {
    name,
    online,
    capabilities: [...new Set(powers)].sort(),
    load: instances.reduce((sum, { load }) => sum + load, 0),
    limit: instances.reduce((sum, { limit }) => sum + limit, 0),
    instances,
    registeredAt: identity?.registeredAt,
    note: identity?.note,
  };
}

/** The identity that an entry holds; undefined where it holds something else. */
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

/** The instance that an entry of a presence tells of; undefined where it holds something else. */
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

/** The object that bytes of JSON hold; undefined where they hold none. */
export function readObject(value: Uint8Array): Record<string, unknown> | undefined {
  try {
    const data: unknown = JSON.parse(decoder.decode(value));
    return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function readTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function readNumber(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
