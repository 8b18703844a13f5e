/** Entry `@busbar/api/transport`: what the author of a backend needs. */

export type {
  AdminBackend,
  Backend,
  BrowseFilter,
  CallBackend,
  CallContext,
  Cursor,
  EntryBackend,
  EventCursor,
  Page,
  PutCondition,
  QueueBackend,
  QueueFilter,
  TopicBackend,
  Wanted,
} from './backend.ts';
export type { Capabilities, Durability, Feature, Features } from './capabilities.ts';
export { requireFeature } from './capabilities.ts';
export {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkText,
  MAX_DURATION_MS,
  MAX_TIMER_MS,
} from './checks.ts';
export { BusbarError, type BusbarErrorOptions, invalid, isBusbarError, toBusbarError } from './errors.ts';
export { newId } from './id.ts';
export type * from './message.ts';
export {
  checkEntryKey,
  checkKeyPrefix,
  checkPattern,
  checkQueueName,
  checkTopic,
  compareUtf8,
  matchTopic,
  quote,
  utf8Length,
} from './names.ts';
export { openTransport } from './open/open-transport.ts';
export { QUEUE_DEFAULTS } from './open/queues.ts';
export { MAX_BATCH, NORMAL_PRIORITY } from './open/stamp.ts';
export type * from './transport.ts';
export { type FacetName, unsupportedFacet } from './unsupported-facet.ts';
export { type KeyChange, WatchCursor } from './watch-cursor.ts';
