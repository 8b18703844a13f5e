/** What the work of queues and topics shares. */

import type { Names } from '../connection/names.ts';
import type { ServerClock } from '../connection/server-clock.ts';
import type { Wire } from '../connection/wire.ts';
import type { Consumers } from './consumers.ts';
import type { HeldDeliveries } from './held.ts';
import type { Ledgers } from './ledger.ts';
import type { QueueRecords } from './queue-record.ts';

/** What the work of queues shares. */
export interface QueueGround {
  readonly wire: Wire;
  readonly names: Names;
  readonly clock: ServerClock;
  readonly records: QueueRecords;
  readonly ledgers: Ledgers;
  readonly consumers: Consumers;
  readonly held: HeldDeliveries;
  /** Queues that this process settled messages of since they were cleaned up last. */
  readonly used: Set<string>;
  /** Queues that this process sent messages to which may expire with nobody receiving. */
  readonly expiring: Set<string>;
}
