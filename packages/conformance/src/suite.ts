/** All cases, in the order of the catalogue's groups. */

import type { ConformanceCase } from './case.ts';
import { cases as ack } from './cases/ack.ts';
import { cases as backpressure } from './cases/backpressure.ts';
import { cases as bodies } from './cases/bodies.ts';
import { cases as carriedHeaders } from './cases/carried-headers.ts';
import { cases as closing } from './cases/closing.ts';
import { cases as concurrency } from './cases/concurrency.ts';
import { cases as deadLetters } from './cases/dead-letters.ts';
import { cases as dedupe } from './cases/dedupe.ts';
import { cases as delay } from './cases/delay.ts';
import { cases as dueOrder } from './cases/due-order.ts';
import { cases as errors } from './cases/errors.ts';
import { cases as failures } from './cases/failures.ts';
import { cases as faults } from './cases/faults.ts';
import { cases as fencing } from './cases/fencing.ts';
import { cases as groups } from './cases/groups.ts';
import { cases as handlers } from './cases/handlers.ts';
import { cases as headers } from './cases/headers.ts';
import { cases as killedProcesses } from './cases/killed-processes.ts';
import { cases as knownIds } from './cases/known-ids.ts';
import { cases as lateSettlements } from './cases/late-settlements.ts';
import { cases as leases } from './cases/leases.ts';
import { cases as lifecycle } from './cases/lifecycle.ts';
import { cases as locks } from './cases/locks.ts';
import { cases as mailboxes } from './cases/mailboxes.ts';
import { cases as movedStores } from './cases/moved-stores.ts';
import { cases as multiProcess } from './cases/multi-process.ts';
import { cases as options } from './cases/options.ts';
import { cases as ordering } from './cases/ordering.ts';
import { cases as overlappingBindings } from './cases/overlapping-bindings.ts';
import { cases as payload } from './cases/payload.ts';
import { cases as persistence } from './cases/persistence.ts';
import { cases as pointToPoint } from './cases/point-to-point.ts';
import { cases as poison } from './cases/poison.ts';
import { cases as presence } from './cases/presence.ts';
import { cases as priority } from './cases/priority.ts';
import { cases as racingWriters } from './cases/racing-writers.ts';
import { cases as reconnecting } from './cases/reconnecting.ts';
import { cases as redelivery } from './cases/redelivery.ts';
import { cases as registry } from './cases/registry.ts';
import { cases as replay } from './cases/replay.ts';
import { cases as requests } from './cases/requests.ts';
import { cases as responses } from './cases/responses.ts';
import { cases as restarts } from './cases/restarts.ts';
import { cases as retention } from './cases/retention.ts';
import { cases as security } from './cases/security.ts';
import { cases as serverFaults } from './cases/server-faults.ts';
import { cases as stateTransfer } from './cases/state-transfer.ts';
import { cases as subscribers } from './cases/subscribers.ts';
import { cases as topics } from './cases/topics.ts';
import { cases as ttl } from './cases/ttl.ts';
import { cases as untrustedClients } from './cases/untrusted-clients.ts';
import { cases as wildcards } from './cases/wildcards.ts';
import { cases as withoutServer } from './cases/without-server.ts';
import { groupOf } from './catalogue.ts';

/** Throws unless each id is unique, in the catalogue, and in its group. */
export function checkCases(cases: readonly ConformanceCase[]): readonly ConformanceCase[] {
  const ids = new Set<string>();
  for (const { id, group } of cases) {
    if (ids.has(id)) throw new Error(`there are two cases ${id}`);
    ids.add(id);
    const expected = groupOf(id);
    if (expected === undefined) throw new Error(`case ${id} is not in the catalogue`);
    if (expected !== group) throw new Error(`case ${id} belongs to the group ${expected}, not ${group}`);
  }
  return cases;
}

/** All cases. */
export const SUITE: readonly ConformanceCase[] = checkCases([
  ...pointToPoint,
  ...mailboxes,
  ...ordering,
  ...priority,
  ...requests,
  ...responses,
  ...topics,
  ...subscribers,
  ...wildcards,
  ...groups,
  ...ack,
  ...redelivery,
  ...leases,
  ...handlers,
  ...deadLetters,
  ...poison,
  ...delay,
  ...dueOrder,
  ...ttl,
  ...dedupe,
  ...knownIds,
  ...replay,
  ...overlappingBindings,
  ...retention,
  ...persistence,
  ...restarts,
  ...reconnecting,
  ...backpressure,
  ...concurrency,
  ...racingWriters,
  ...payload,
  ...bodies,
  ...headers,
  ...carriedHeaders,
  ...errors,
  ...failures,
  ...options,
  ...lifecycle,
  ...closing,
  ...registry,
  ...presence,
  ...locks,
  ...fencing,
  ...multiProcess,
  ...faults,
  ...killedProcesses,
  ...lateSettlements,
  ...security,
  ...serverFaults,
  ...withoutServer,
  ...untrustedClients,
  ...stateTransfer,
  ...movedStores,
]);
