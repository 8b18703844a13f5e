/** The parts that the operator's commands read and change: those of queues and topics, and more. */

import type { Permissions } from '../connection/permissions.ts';
import type { StoreHeaders } from '../connection/store-header.ts';
import type { KvStore } from '../kv/kv-store.ts';
import type { Notices } from '../queues/notices.ts';
import type { QueueContext } from '../queues/queue-context.ts';
import type { Bindings } from '../topics/bindings.ts';
import type { Cursors } from '../topics/cursors.ts';
import type { QueueViews } from './queue-view.ts';

export interface AdminContext extends QueueContext {
  readonly views: QueueViews;
  readonly notices: Notices;
  readonly bindings: Bindings;
  readonly cursors: Cursors;
  readonly kv: KvStore;
  readonly headers: StoreHeaders;
  readonly permissions: Permissions;
}
