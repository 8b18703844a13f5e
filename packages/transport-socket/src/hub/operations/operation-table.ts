/** All operations by name. */

import { BusbarError, quote } from '@busbar/api/transport';
import { authorizeAgent } from '../rights/agent-rights.ts';
import { adminOperations } from './admin.ts';
import { idOf } from './arguments.ts';
import type { HubResponse } from './cursors.ts';
import { kvOperations } from './kv.ts';
import type { HubOperation, HubRequest } from './operation.ts';
import { queueOperations } from './queues.ts';
import { topicOperations } from './topics.ts';

const callOperations: Readonly<Record<string, HubOperation>> = {
  async 'calls.serve'({ header, client }) {
    client.router.serve(client, client.services, idOf(header['serviceId'], 'serviceId'), header);
    return {};
  },
  async 'calls.unserve'({ header, client }) {
    client.services.remove(idOf(header['serviceId'], 'serviceId'));
    return {};
  },
  async 'calls.call'(request) {
    await request.client.router.call(request);
    return {};
  },
};

const hubOperations: Readonly<Record<string, HubOperation>> = {
  async 'hub.status'({ client }) {
    return { header: { ...client.hub.status(client.store.name) } };
  },
  async 'hub.stop'({ client }) {
    if (client.agent !== undefined) {
      throw new BusbarError('PERMISSION_DENIED', 'an agent cannot stop the hub', {
        hint: 'Use a token that is not limited to one agent.',
      });
    }
    client.hub.stop();
    return { header: { hub: client.hub.status(client.store.name).hub } };
  },
};

const OPERATIONS: ReadonlyMap<unknown, HubOperation> = new Map(
  [queueOperations, topicOperations, kvOperations, adminOperations, callOperations, hubOperations].flatMap((each) =>
    Object.entries(each),
  ),
);

/** Carries out a request, if the client may do that. */
export function runOperation(request: HubRequest): Promise<HubResponse> {
  const operation = findOperation(request.header['op']);
  const { limit } = request.client;
  // Without a wait where possible: requests on one queue or topic take effect in their order.
  const checked = limit && authorizeAgent(request, limit.agent);
  return checked === undefined ? operation(request) : checked.then(() => operation(request));
}

/** The operation called `op`. Throws UNSUPPORTED for an unknown one. */
function findOperation(op: unknown): HubOperation {
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
