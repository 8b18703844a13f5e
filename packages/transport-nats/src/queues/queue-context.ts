/** Shared parts of queues and topics. */

import type { Names } from '../connection/names.ts';
import type { Puller } from '../connection/puller.ts';
import type { ServerClock } from '../connection/server-clock.ts';
import type { ServerRequests } from '../connection/server-requests.ts';
import type { GateView } from '../gate/gate-view.ts';
import type { KvStore } from '../kv/kv-store.ts';
import type { Consumers } from './consumers.ts';
import type { HeldDeliveries } from './held-deliveries.ts';
import type { Ledgers } from './ledger.ts';
import type { QueueRecords } from './queue-record.ts';

export interface QueueContext {
  readonly requests: ServerRequests;
  readonly names: Names;
  readonly clock: ServerClock;
  readonly gate: GateView;
  /** Pulls from consumers of queues. */
  readonly puller: Puller;
  /** Settlements put their entries into it. */
  readonly kv: KvStore;
  readonly records: QueueRecords;
  readonly ledgers: Ledgers;
  readonly consumers: Consumers;
  readonly held: HeldDeliveries;
  /** Queues with settled messages of this process since the last compaction. */
  readonly used: Set<string>;
  /** Queues to which this process sent messages with a time to live. */
  readonly expiring: Set<string>;
}
