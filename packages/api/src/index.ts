/** Entry `@busbar/api`: what users of a bus need. */

export type { Agent, AgentState, Answer, CloseAgentOptions } from './bus/agent.ts';
export { type Bus, type CloseBusOptions, openBus } from './bus/bus.ts';
export type { RetryPolicy } from './bus/consuming/backoff.ts';
export type { Context, LogLevel } from './bus/consuming/context.ts';
export type { Received } from './bus/consuming/received.ts';
export { RejectError } from './bus/consuming/reject-error.ts';
export type {
  DeadLetter,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetters,
  PurgeLettersOptions,
  RedriveOptions,
} from './bus/dead-letters.ts';
export type { BusSubscription } from './bus/events/bus-subscription.ts';
export type { HistoryOptions } from './bus/events/history.ts';
export type { BusSubscribeOptions, EventHandler } from './bus/events/subscriptions.ts';
export type { Timing } from './bus/histogram.ts';
export type { Lock } from './bus/locks/lock.ts';
export type { LockHolder } from './bus/locks/lock-holder.ts';
export type { LockOptions } from './bus/locks/lock-options.ts';
export type { SemaphoreOptions } from './bus/locks/semaphore.ts';
export type { InboxMessage, NackOptions } from './bus/mail/inbox-message.ts';
export type { BroadcastOptions, BroadcastResult } from './bus/mail/mail.ts';
export { type Codec, jsonCodec } from './bus/messages/codec.ts';
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
} from './bus/messages/definitions.ts';
export type { EventOptions, MailOptions, MessageOptions } from './bus/messages/message-options.ts';
export type { SchemaIssue, SchemaResult, StandardSchema } from './bus/messages/schema.ts';
export type { Middleware, Outgoing, OutgoingStep } from './bus/middleware.ts';
export type { Published, Recipient, Sent } from './bus/operations.ts';
export type { BusOptions, ErrorListener, Identity } from './bus/options.ts';
export type { AgentIdentity, AgentInfo, AgentInstance } from './bus/registry/agent-info.ts';
export type { LogLine } from './bus/registry/agent-log.ts';
export type { AgentOptions } from './bus/registry/agent-options.ts';
export type { OnPresence, PresenceChange } from './bus/registry/presence-watch.ts';
export type { AgentFilter, ForgetOptions } from './bus/registry/registry.ts';
export type { ReplyStream, RequestOptions } from './bus/requests/options.ts';
export type { AgentStats, BusStats, QueueRates, QueueStats, StatsOptions } from './bus/stats.ts';
export type { EnqueueOptions } from './bus/tasks/enqueue-options.ts';
export type { ResultOptions, TaskHandle, TaskStatus } from './bus/tasks/task-handle.ts';
export type { EnqueueAllOptions, TaskHandler } from './bus/tasks/tasks.ts';
export type { CloseConsumerOptions, ConsumeOptions, Worker, WorkerOptions } from './bus/tasks/worker.ts';
export { BusbarError, type ErrorCode, isBusbarError } from './contract/errors.ts';
export { matchTopic } from './contract/names.ts';
