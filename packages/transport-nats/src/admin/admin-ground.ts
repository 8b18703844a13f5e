/** What the operator's view reads and changes. */

import type { StoreHeaders } from '../connection/store-header.ts';
import type { KvStore } from '../kv/kv-store.ts';
import type { QueueGround } from '../queues/ground.ts';
import type { Notices } from '../queues/notices.ts';
import type { Bindings } from '../topics/bindings.ts';
import type { Cursors } from '../topics/cursors.ts';
import type { QueueViews } from './queue-view.ts';

/** What the operator's view reads and changes. */
export interface AdminGround {
  readonly ground: QueueGround;
  readonly views: QueueViews;
  readonly notices: Notices;
  readonly bindings: Bindings;
  readonly cursors: Cursors;
  readonly kv: KvStore;
  readonly headers: StoreHeaders;
}
