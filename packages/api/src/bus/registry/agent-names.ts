/** The names that belong to an agent: its mailbox, its address for calls, its entries. */

import { invalid } from '../../contract/errors.ts';
import { checkQueueName, checkUserName } from '../../contract/names.ts';

/** Throws INVALID_ARGUMENT unless `name` may be the name of an agent: a legal name of at most 240 characters. */
export function checkAgentName(name: unknown): asserts name is string {
  checkUserName(name, 'agent name');
  if (name.length > MAX_NAME) {
    throw invalid('the agent name is longer than 240 characters', 'Use a shorter name.');
  }
  checkQueueName(inboxOf(name));
}

const MAX_NAME = 240;

/** The mailbox: it exists exactly where the agent can be sent to. */
export function inboxOf(agent: string): string {
  return `$inbox.${agent}`;
}

/** Where the agent takes requests that are not durable. */
export function addressOf(agent: string): string {
  return `$call.${agent}`;
}

/** The agent behind an address. */
export function agentAt(address: string): string {
  return address.slice('$call.'.length);
}

/** Prefix of the keys of all identities. */
export const IDENTITY_PREFIX = '$agent/';
/** Prefix of the keys of all that are online, one for each instance. */
export const PRESENCE_PREFIX = '$live/';

/** The key of an agent's lasting identity. */
export function identityKey(agent: string): string {
  return `${IDENTITY_PREFIX}${agent}`;
}

/** The key of one instance's presence. Names may hold slashes, instances never do. */
export function presenceKey(agent: string, instance: string): string {
  return `${PRESENCE_PREFIX}${agent}/${instance}`;
}

/** The agent and the instance that a key of a presence is about. */
export function fromPresenceKey(key: string): { readonly name: string; readonly instance: string } {
  const end = key.lastIndexOf('/');
  return { name: key.slice(PRESENCE_PREFIX.length, end), instance: key.slice(end + 1) };
}

/** Prefix of the keys of an agent's log. */
export function logPrefix(agent: string): string {
  return `$log/${agent}/`;
}
