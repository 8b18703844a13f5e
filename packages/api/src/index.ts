/** Entry `@busbar/api`: what users of a bus need. */

export { type Bus, type CloseBusOptions, openBus } from './bus/bus.ts';
export type { BusSubscription } from './bus/bus-subscription.ts';
export type { Codec } from './bus/codec.ts';
export type { Context, LogLevel } from './bus/context.ts';
export type { DeadLetter, DeadLetterPage, DeadLetterQuery, DeadLetters, RedriveOptions } from './bus/dead-letters.ts';
export {
  defineMessage,
  defineQueue,
  defineRequest,
  defineTopic,
  type MessageDefinition,
  type QueueDefinition,
  type RequestDefinition,
  type TopicDefinition,
} from './bus/definitions.ts';
export type { EnqueueOptions } from './bus/enqueue-options.ts';
export type { HistoryOptions } from './bus/history.ts';
export type { Lock } from './bus/lock.ts';
export type { LockHolder } from './bus/lock-holder.ts';
export type { LockOptions } from './bus/lock-options.ts';
export type { EventOptions, MailOptions, MessageOptions } from './bus/message-options.ts';
export type { Middleware, Outgoing } from './bus/middleware.ts';
export type { BusOptions } from './bus/options.ts';
export type { CloseConsumerOptions, ProcessOptions, Processor } from './bus/processor.ts';
export type { Received } from './bus/received.ts';
export { RejectError } from './bus/reject-error.ts';
export type { SemaphoreOptions } from './bus/semaphore.ts';
export type { StandardSchema } from './bus/standard-schema.ts';
export type { BusSubscribeOptions, EventHandler } from './bus/subscriptions.ts';
export type { EnqueueAllOptions, TaskHandler } from './bus/tasks.ts';
export type { ResultOptions, TaskStatus, Ticket } from './bus/ticket.ts';
export type { Published, Recipient, Sent } from './bus/verbs.ts';
export type { Capabilities, Durability, Feature, Features } from './capabilities.ts';
export {
  BusbarError,
  type BusbarErrorOptions,
  ERROR_CODES,
  type ErrorCode,
  isBusbarError,
  type Outcome,
} from './errors.ts';
export type * from './message.ts';
export { matchTopic } from './names.ts';
export type * from './transport.ts';
