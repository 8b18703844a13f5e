/** What each operation does to the state. */

import type {
  DeleteResult,
  Delivery,
  PendingResult,
  PublishResult,
  PutResult,
  SendResult,
  Settlement,
  SettleResult,
  TouchResult,
} from '@busbar/api/transport';
import { inState } from './browse.ts';
import { PLACES } from './history.ts';
import type { Item } from './item.ts';
import { type Namespace, unknownQueue } from './namespace.ts';
import type { Operation } from './operation.ts';
import type { Queue } from './queue.ts';
import { importRecord } from './transfer.ts';

/** What an operation resolves with, by its name. */
export interface Results {
  send: SendResult[];
  claim: Delivery[];
  settle: SettleResult[];
  configure: undefined;
  publish: PublishResult[];
  bind: boolean;
  unbind: undefined;
  feed: undefined;
  put: PutResult;
  touch: TouchResult[];
  delete: DeleteResult;
  redrive: number;
  purge: number;
  cancel: PendingResult[];
  reschedule: PendingResult[];
  deleteQueue: boolean;
  clear: undefined;
  import: number;
  use: undefined;
  tick: undefined;
}

/** Where the record of an operation stands, and how many events came before in it. */
export interface Place {
  readonly record: number;
  events: number;
  /** Whether somebody here waits for the result, so that deliveries are worth making. */
  readonly isOwn: boolean;
}

/** Carries `operation` out. Throws what its caller is to get. */
export function apply(namespace: Namespace, operation: Operation, place: Place): Results[Operation['op']] {
  switch (operation.op) {
    case 'send': {
      const { queue, create, messages } = operation;
      if (!create && !namespace.queues.has(queue)) throw unknownQueue(queue);
      return namespace.queue(queue).send(messages);
    }
    case 'claim': {
      const { queue, max, consumer } = operation;
      const leased = namespace.queues.get(queue)?.claim(max, consumer) ?? [];
      return place.isOwn ? leased.map((item) => item.toDelivery(queue, namespace.agenda)) : [];
    }
    case 'settle':
      return operation.settlements.map((settlement) => settle(namespace, settlement));
    case 'configure':
      namespace.queue(operation.queue).configure(operation.settings);
      return;
    case 'publish': {
      const first = place.record * PLACES + place.events;
      place.events += operation.messages.length;
      return namespace.publish(operation.topic, operation.messages, first, operation.quiet === true);
    }
    case 'bind':
      return namespace.bind(operation.queue, operation.pattern, operation.since, endOf(place));
    case 'unbind':
      namespace.bindings.remove(operation.queue, operation.pattern);
      return;
    case 'feed':
      feed(namespace, operation);
      return;
    case 'put':
    case 'touch':
    case 'delete':
      return applyToEntries(namespace, operation);
    case 'redrive':
      return redrive(namespace.queues.get(operation.queue), operation.ids, operation.limit);
    case 'purge':
      return purge(namespace.queues.get(operation.queue), operation);
    case 'cancel':
      return pending(namespace, operation, (queue, item) => queue.remove(item));
    case 'reschedule':
      return pending(namespace, operation, (queue, item) => queue.reschedule(item, operation.delayMs));
    case 'deleteQueue':
      return namespace.deleteQueue(operation.queue);
    case 'clear':
      namespace.clear();
      return;
    case 'import':
      return operation.records.filter((record) => importRecord(namespace, record, endOf(place))).length;
    case 'use':
      for (const queue of operation.queues) namespace.queues.get(queue)?.touch();
      return;
    case 'tick':
      return;
  }
}

function applyToEntries(
  namespace: Namespace,
  operation: Extract<Operation, { op: 'put' | 'touch' | 'delete' }>,
): PutResult | TouchResult[] | DeleteResult {
  switch (operation.op) {
    case 'put':
      return namespace.entries.put(operation.key, operation.value, operation.condition);
    case 'touch':
      return operation.touches.map((touch) => namespace.entries.touch(touch));
    case 'delete':
      return namespace.entries.delete(operation.key, operation.ifRevision);
  }
}

function settle({ queues }: Namespace, settlement: Settlement): SettleResult {
  const { receipt } = settlement;
  const queue = queues.get(receipt.slice(0, receipt.lastIndexOf('#')));
  return queue?.settle(settlement) ?? { receipt, status: 'lease-lost' };
}

/** No event so far has a number above this. */
function endOf({ record, events }: Place): number {
  return record * PLACES + events - 1;
}

function feed(namespace: Namespace, operation: Extract<Operation, { op: 'feed' }>): void {
  const { queue, pattern, from, to, events } = operation;
  const bound = namespace.bindings.find(queue, pattern);
  if (bound === undefined || bound.fed !== from) return;
  for (const { number, topic, message } of events) {
    if (namespace.bindings.brings(bound, topic, number)) namespace.queue(queue).offer({ ...message, topic });
  }
  namespace.fed(bound, to);
}

function redrive(queue: Queue | undefined, ids: readonly string[] | undefined, limit: number): number {
  const wanted = ids && new Set(ids);
  const items = [...(queue?.dead ?? [])].filter(({ message }) => wanted?.has(message.id) ?? true).slice(0, limit);
  for (const item of items) queue?.redrive(item);
  return items.length;
}

function purge(queue: Queue | undefined, { state, ids }: Extract<Operation, { op: 'purge' }>): number {
  if (queue === undefined) return 0;
  const wanted = ids && new Set(ids);
  const items = inState(queue, state).filter(({ message }) => wanted?.has(message.id) ?? true);
  for (const item of items) queue.remove(item);
  return items.length;
}

/** Acts on messages that nobody has started. */
function pending(
  namespace: Namespace,
  { queue: name, ids }: { readonly queue: string; readonly ids: readonly string[] },
  act: (queue: Queue, item: Item) => void,
): PendingResult[] {
  const queue = namespace.queues.get(name);
  return ids.map((id) => {
    const item = queue?.find(id);
    if (queue === undefined || item === undefined) return { id, status: 'not-found' };
    if (item.state === 'leased' || item.state === 'dead') return { id, status: 'started' };
    act(queue, item);
    return { id, status: 'done' };
  });
}
