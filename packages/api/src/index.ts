/** Entry `@busbar/api`: what users of a bus need. */

export type { Agent, AgentState, Answer, CloseAgentOptions } from './bus/agent.ts';
export type { AgentIdentity, AgentInfo, AgentInstance } from './bus/agent-info.ts';
export type { LogLine } from './bus/agent-log.ts';
export type { AgentOptions } from './bus/agent-options.ts';
export type { RetryPolicy } from './bus/backoff.ts';
export { type Bus, type CloseBusOptions, openBus } from './bus/bus.ts';
export type { BusSubscription } from './bus/bus-subscription.ts';
export { type Codec, jsonCodec } from './bus/codec.ts';
export type { Context, LogLevel } from './bus/context.ts';
export type {
  DeadLetter,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetters,
  PurgeLettersOptions,
  RedriveOptions,
} from './bus/dead-letters.ts';
export {
  defineMessage,
  defineQueue,
  defineRequest,
  defineTopic,
  type MessageDefinition,
  type QueueDefinition,
  type QueueSchemas,
  type RequestDefinition,
  type RequestSchemas,
  type TopicDefinition,
} from './bus/definitions.ts';
export type { EnqueueOptions } from './bus/enqueue-options.ts';
export type { Timing } from './bus/histogram.ts';
export type { HistoryOptions } from './bus/history.ts';
export type { InboxMessage, NackOptions } from './bus/inbox-message.ts';
export type { Lock } from './bus/lock.ts';
export type { LockHolder } from './bus/lock-holder.ts';
export type { LockOptions } from './bus/lock-options.ts';
export type { BroadcastOptions, BroadcastResult } from './bus/mail.ts';
export type { EventOptions, MailOptions, MessageOptions } from './bus/message-options.ts';
export type { Middleware, Outgoing, OutgoingStep } from './bus/middleware.ts';
export type { BusOptions, ErrorListener, Identity } from './bus/options.ts';
export type { OnPresence, PresenceChange } from './bus/presence-watch.ts';
export type { CloseConsumerOptions, ConsumeOptions, ProcessOptions, Processor } from './bus/processor.ts';
export type { Received } from './bus/received.ts';
export type { AgentFilter, ForgetOptions } from './bus/registry.ts';
export { RejectError } from './bus/reject-error.ts';
export type { ReplyStream, RequestOptions } from './bus/request.ts';
export type { SemaphoreOptions } from './bus/semaphore.ts';
export type { SchemaIssue, SchemaResult, StandardSchema } from './bus/standard-schema.ts';
export type { AgentStats, BusStats, QueueRates, QueueStats, StatsOptions } from './bus/stats.ts';
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
