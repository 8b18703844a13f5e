/// <reference lib="esnext.disposable" preserve="true" />
/** Entry `@busbar/api`: the bus. The contract below it is in `@busbar/api/transport`. */

export type { Agent, HandlerResponse } from './bus/agent.ts';
export { type Bus, openBus } from './bus/bus.ts';
export type { RetryFunction, RetryPolicy } from './bus/consuming/backoff.ts';
export type { Context, LogLevel } from './bus/consuming/context.ts';
export { RejectError, RetryError, type RetryErrorOptions } from './bus/consuming/failure.ts';
export type { HandleOptions } from './bus/consuming/handlers.ts';
export type { ReceivedMessage } from './bus/consuming/received.ts';
export type { DeadLetter, DeadLetters } from './bus/dead-letters.ts';
export type { HistoryOptions } from './bus/events/history.ts';
export type { EventHandler, SubscribeOptions, Subscription } from './bus/events/subscriptions.ts';
export type { ChildResult } from './bus/flows/child-result.ts';
export type { Flow, FlowTask } from './bus/flows/flow-options.ts';
export type { ChildFailureRule } from './bus/flows/flow-record.ts';
export type { HandlerOf } from './bus/handler-of.ts';
export type { BusHealth } from './bus/health.ts';
export type { Lock, LockHolder } from './bus/locks/lock.ts';
export type { LockOptions, SemaphoreOptions } from './bus/locks/lock-options.ts';
export type { ExtendOptions, InboxMessage } from './bus/mail/inbox-message.ts';
export type { BroadcastOptions } from './bus/mail/mail.ts';
export { type Codec, jsonCodec, type SyncCodec } from './bus/messages/codec.ts';
export {
  defineMessage,
  defineQueue,
  defineRequest,
  defineTopic,
  type InputOf,
  type MessageDefinition,
  type OutputOf,
  type QueueDefinition,
  type RequestDefinition,
  type TopicDefinition,
} from './bus/messages/definitions.ts';
export type { EventOptions, MailOptions } from './bus/messages/message-options.ts';
export type { Recipient } from './bus/messages/recipient.ts';
export type { StandardSchema } from './bus/messages/schema.ts';
export type { Middleware, OutgoingMessage } from './bus/middleware.ts';
export type { BackgroundFailure } from './bus/observing/background-failure.ts';
export type { BusEventMap, BusEvents } from './bus/observing/bus-events.ts';
export type { Logger } from './bus/observing/logger.ts';
export type { MessageSource } from './bus/observing/message-source.ts';
export { type Metric, toMetrics, toPrometheusText } from './bus/observing/stats-metrics.ts';
export type { Published, Sender, Sent } from './bus/operations.ts';
export type { BusOptions, CloseOptions } from './bus/options.ts';
export type { AgentInfo } from './bus/registry/agent-info.ts';
export type { LogLine } from './bus/registry/agent-log.ts';
export type { AgentOptions } from './bus/registry/agent-options.ts';
export type { PresenceChange } from './bus/registry/presence-watch.ts';
export type { ReplyStream, RequestOptions } from './bus/requests/options.ts';
export type { ScheduleOptions, SchedulerOptions } from './bus/schedules/schedule-options.ts';
export type { ScheduleInfo } from './bus/schedules/schedule-record.ts';
export type { Scheduler } from './bus/schedules/scheduler.ts';
export type { Schedules } from './bus/schedules/schedules.ts';
export type { BusStats } from './bus/stats.ts';
export type { BatchContext, BatchHandler, BatchOptions, BatchTask } from './bus/tasks/batches.ts';
export type { EnqueueOptions } from './bus/tasks/enqueue-options.ts';
export type { HeldTask, TakenTask, TakeOptions } from './bus/tasks/held-task.ts';
export type { RateLimit, TaskQueueSettings } from './bus/tasks/queue-settings.ts';
export type { TaskHandle, TaskStatus } from './bus/tasks/task-handle.ts';
export type { ListedTask, TaskPage, TaskQuery, TaskQueue, TaskQueueInfo } from './bus/tasks/task-queue.ts';
export type { BatchWorkerOptions, TaskHandler, Worker, WorkerOptions } from './bus/tasks/worker.ts';
export { BusbarError, type ErrorCode, isBusbarError } from './contract/errors.ts';
export { matchTopic } from './contract/names.ts';
