/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Entry `@busbar/api/parts`: what a bus writes into its store, and the parts that read it. For other clients of the same
 * agents, tasks and requests, such as the one for browsers.
 */

export { BoundedWait, withTimeout } from './bus/bounded-wait.ts';
export { backoffMs, DEFAULT_RETRY } from './bus/consuming/backoff.ts';
export { type DeliveryLease, DeliveryLeases } from './bus/consuming/delivery-leases.ts';
export { attemptsHeader, type Failure, InvalidMessageError, toFailure } from './bus/consuming/failure.ts';
export { type ReceivedMessage, toReceived } from './bus/consuming/received.ts';
export type { CancelReason } from './bus/flows/cancel-waiting.ts';
export { flowPrefix, isChildId, queueOfTaskId } from './bus/flows/flow-id.ts';
export type { PlainBodyCodec } from './bus/messages/body-codec.ts';
export { checkMessageType } from './bus/messages/definitions.ts';
export { deriveId } from './bus/messages/deterministic-id.ts';
export { JsonBodyCodec } from './bus/messages/json-body-codec.ts';
export {
  checkMessageOptions,
  EVENT_KEYS,
  type EventOptions,
  MAIL_KEYS,
  type MailOptions,
  toBounds,
  toFields,
} from './bus/messages/message-options.ts';
export { type AgentInfo, readIdentity, readInstance, toAgentInfo } from './bus/registry/agent-info.ts';
export {
  addressOf,
  checkAgentName,
  fromPresenceKey,
  IDENTITY_PREFIX,
  identityKey,
  inboxOf,
  PRESENCE_PREFIX,
  presenceKey,
} from './bus/registry/agent-names.ts';
export { type OnPresence, type PresenceChange, watchPresence } from './bus/registry/presence-watch.ts';
export { RendezvousChannel } from './bus/requests/rendezvous-channel.ts';
export { isPart, readReply, toFailedReply, toReply, toResponse } from './bus/requests/replies.ts';
export { Shutdown } from './bus/shutdown.ts';
export {
  checkPlainOptions,
  type DelayedStart,
  type PlannedStart,
  type TaskOptions,
  taskFields,
  type UniqueKey,
} from './bus/tasks/enqueue-options.ts';
export { limitKey, rateLimits } from './bus/tasks/queue-settings.ts';
export { type TaskHandle, TaskHandleImpl } from './bus/tasks/task-handle.ts';
export { DEFAULT_RESULT_TTL_MS, encodeRecord, taskKey } from './bus/tasks/task-record.ts';
export type { TaskStore } from './bus/tasks/task-store.ts';
export { TaskTrackers } from './bus/tasks/task-tracker.ts';
export { checkUserName } from './contract/names.ts';
export { checkCallback, checkFrom } from './contract/validation.ts';
export { CursorPump, type PumpLimit } from './open/cursor-pump.ts';
