/** Entry `@busbar/api/transport`: what the author of a backend needs. */

export type { Capabilities, Durability, Feature, Features } from './contract/capabilities.ts';
export { requireFeature } from './contract/capabilities.ts';
export type {
  AdminDriver,
  BrowseFilter,
  CallContext,
  CallDriver,
  Cursor,
  Driver,
  EventCursor,
  KvDriver,
  PageQuery,
  PutCondition,
  QueueDriver,
  QueueFilter,
  ReceiveRequest,
  TopicDriver,
} from './contract/driver.ts';
export { BusbarError, type BusbarErrorOptions, invalid, isBusbarError, toBusbarError } from './contract/errors.ts';
export { newId } from './contract/id.ts';
export type * from './contract/message.ts';
export {
  checkKeyPrefix,
  checkKvKey,
  checkPattern,
  checkQueueName,
  checkTopic,
  compareUtf8,
  matchTopic,
  quote,
  utf8Length,
} from './contract/names.ts';
export type * from './contract/transport.ts';
export {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkText,
  MAX_DURATION_MS,
  MAX_TIMER_MS,
} from './contract/validation.ts';
export { type KeyChange, WatchCursor } from './driver-kit/kv-watch-cursor.ts';
export { type FacetName, unsupportedFacet } from './driver-kit/unsupported-facet.ts';
export { openTransport } from './open/open-transport.ts';
export { MAX_BATCH, NORMAL_PRIORITY } from './open/prepare-message.ts';
export { QUEUE_DEFAULTS } from './open/queues.ts';
