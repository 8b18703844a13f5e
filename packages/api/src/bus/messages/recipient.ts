/** The recipient of a message or a request. */

import { invalid } from '../../contract/errors.ts';
import { checkOptions, checkText, describe } from '../../contract/validation.ts';
import { checkAgentName } from '../registry/agent-names.ts';

/** An agent by name, or the least loaded of the online agents with a capability. */
export type Recipient = string | { readonly capability: string };

/** Throws INVALID_ARGUMENT unless `to` is the name of an agent or a capability. */
export function checkRecipient(to: unknown): asserts to is Recipient {
  if (typeof to !== 'object' || to === null) return checkAgentName(to);
  checkOptions(to, ['capability'], 'recipient');
  const { capability } = to as { readonly capability?: unknown };
  if (capability === undefined) throw invalid(`illegal recipient: ${describe(to)}`, 'Use a name or { capability }.');
  checkText(capability, 'capability', 255);
}
