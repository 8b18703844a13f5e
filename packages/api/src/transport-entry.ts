/// <reference lib="esnext.disposable" preserve="true" />
/** Entry `@busbar/api/transport`: the contract between the bus and a transport, for programs that work below the bus. */

export type * from './contract/admin.ts';
export type * from './contract/call-options.ts';
export type * from './contract/calls.ts';
export type { Capabilities, Durability, Feature, Features } from './contract/capabilities.ts';
export { declareFeatures, requireFeature } from './contract/capabilities.ts';
export { MAX_BATCH, NORMAL_PRIORITY, QUEUE_DEFAULTS } from './contract/defaults.ts';
export {
  BusbarError,
  type BusbarErrorOptions,
  ERROR_CODES,
  type ErrorCode,
  invalid,
  isBusbarError,
  missingPackage,
  notInBundle,
  type Outcome,
  toBusbarError,
} from './contract/errors.ts';
export type * from './contract/gate.ts';
export { MOVE_KEY } from './contract/gate.ts';
export { newId } from './contract/id.ts';
export type * from './contract/kv.ts';
export type * from './contract/message.ts';
export {
  checkKeyPrefix,
  checkKvKey,
  checkPattern,
  checkQueueName,
  checkTopic,
  compareUtf8,
  hasWildcard,
  matchTopic,
  quote,
  utf8Length,
} from './contract/names.ts';
export { didYouMean } from './contract/nearest-name.ts';
export type * from './contract/queues.ts';
export type * from './contract/topics.ts';
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
