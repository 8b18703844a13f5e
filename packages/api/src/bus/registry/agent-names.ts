/** The names of an agent's inbox, address and keys. */

import { invalid } from '../../contract/errors.ts';
import { checkQueueName, checkUserName } from '../../contract/names.ts';

/** Throws INVALID_ARGUMENT unless `name` is a legal name of an agent, at most 240 characters. */
export function checkAgentName(name: unknown): asserts name is string {
  checkUserName(name, 'agent name');
  if (name.length > MAX_NAME) {
    throw invalid('the agent name is longer than 240 characters', 'Use a shorter name.');
  }
  checkQueueName(inboxOf(name));
}

const MAX_NAME = 240;
const ADDRESS_PREFIX = '$call.';

/** The queue of the inbox. It exists for every agent that can receive messages. */
export function inboxOf(agent: string): string {
  return `$inbox.${agent}`;
}

/** The address for requests that are not durable. */
export function addressOf(agent: string): string {
  return `${ADDRESS_PREFIX}${agent}`;
}

/** The agent of an address. */
export function agentOf(address: string): string {
  return address.slice(ADDRESS_PREFIX.length);
}

/** Prefix of the queues of replies. */
export const REPLY_PREFIX = '$reply.';

/** The agent of an address. */
export function agentAt(address: string): string {
  return address.slice('$call.'.length);
}

/** Prefix of the keys of all identities. */
export const IDENTITY_PREFIX = '$agent/';
/** Prefix of the keys of all online instances. */
export const PRESENCE_PREFIX = '$live/';

/** The key of an agent's identity. */
export function identityKey(agent: string): string {
  return `${IDENTITY_PREFIX}${agent}`;
}

/** The key of an instance's presence. Names may contain slashes, instances do not. */
export function presenceKey(agent: string, instance: string): string {
  return `${PRESENCE_PREFIX}${agent}/${instance}`;
}

/** The agent and the instance of a presence key. */
export function fromPresenceKey(key: string): { readonly name: string; readonly instance: string } {
  const end = key.lastIndexOf('/');
  return { name: key.slice(PRESENCE_PREFIX.length, end), instance: key.slice(end + 1) };
}

/** Prefix of the keys of an agent's log. */
export function logPrefix(agent: string): string {
  return `$log/${agent}/`;
}
