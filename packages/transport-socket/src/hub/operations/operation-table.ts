/** Everything that clients may ask for, by name. */

import { BusbarError, quote } from '@busbar/api/transport';
import { adminOperations } from './admin.ts';
import { handleOf } from './arguments.ts';
import { entryOperations } from './kv.ts';
import type { Operation } from './operation.ts';
import { queueOperations } from './queues.ts';
import { topicOperations } from './topics.ts';

const callOperations: Readonly<Record<string, Operation>> = {
  async 'calls.serve'({ head, client }) {
    client.router.serve(client, client.served, head);
    return {};
  },
  async 'calls.unserve'({ head, client }) {
    client.served.remove(handleOf(head['service'], 'service'));
    return {};
  },
  'calls.call': (request) => request.client.router.call(request),
};

const hubOperations: Readonly<Record<string, Operation>> = {
  async 'hub.status'({ client }) {
    return { head: { ...client.hub.status(client.store.name) } };
  },
  async 'hub.stop'({ client }) {
    if (client.agent !== undefined) {
      throw new BusbarError('PERMISSION_DENIED', 'an agent cannot end the hub', { hint: 'Use a token for any agent.' });
    }
    client.hub.stop();
    return { head: { hub: client.hub.status(client.store.name).hub } };
  },
};

const OPERATIONS: ReadonlyMap<unknown, Operation> = new Map(
  [queueOperations, topicOperations, entryOperations, adminOperations, callOperations, hubOperations].flatMap((each) =>
    Object.entries(each),
  ),
);

/** The operation called `op`; throws UNSUPPORTED for one that this hub does not have. */
export function findOperation(op: unknown): Operation {
  const found = OPERATIONS.get(op);
  if (found !== undefined) return found;
  throw new BusbarError('UNSUPPORTED', `the hub has no operation ${quote(op)}`, {
    hint: 'docs/protocol.md lists them; a newer client may need a newer hub.',
  });
}

/** The names of all operations. */
export function operationNames(): string[] {
  return [...OPERATIONS.keys()].map(String);
}
