/// <reference lib="esnext.disposable" preserve="true" />
/** Entry `@busbar/api/driver`: for authors of drivers. The contract itself is in `@busbar/api/transport`. */

export type * from './contract/driver.ts';
export { bodyTooLarge } from './contract/errors.ts';
export { callListener } from './contract/promises.ts';
export { randomByte } from './contract/random.ts';
export type { StorePast } from './contract/transport.ts';
export { type BatchLimit, BatchSize } from './driver-kit/batch-size.ts';
export { BriefConnections } from './driver-kit/brief-connections.ts';
export {
  CALL_WINDOW,
  type CallAnswer,
  type CallControl,
  CallFrame,
  type CallRequest,
  encodeFrame,
  type SizedHead,
  toSizedHead,
} from './driver-kit/calls/call-frames.ts';
export { CallReplies, type CallRepliesOptions } from './driver-kit/calls/call-replies.ts';
export { CallTask, type CallTaskOptions } from './driver-kit/calls/call-task.ts';
export { ChurnMap, ChurnSet } from './driver-kit/churn.ts';
export { Condition } from './driver-kit/condition.ts';
export { type Clock, Deadline, DeadlineQueue, type DeadlineQueueOptions } from './driver-kit/deadline-queue.ts';
export { type EphemeralBounds, EphemeralBuffer } from './driver-kit/ephemeral-buffer.ts';
export {
  cutText,
  decodeError,
  encodeError,
  handlerFailed,
  positionExpired,
  queueFrozen,
  queueFull,
  toHandlerError,
  unknownQueue,
} from './driver-kit/errors.ts';
export {
  fromBase64,
  fromExportedMessage,
  toBase64,
  toExportedEvent,
  toExportedMessage,
} from './driver-kit/exported-message.ts';
export {
  changeGate,
  checkGate,
  checkGateRevision,
  type GateChange,
  gateAt,
  gateClosed,
  illegalChange,
  isClosed,
  OPEN_GATE,
  type StoredGate,
  toGate,
  wrongGateRevision,
} from './driver-kit/gate.ts';
export { Heap, type HeapItem } from './driver-kit/heap.ts';
export { type InnerQueues, lentQueues } from './driver-kit/inner-queues.ts';
export { KeepAlive, keepAliveDuring } from './driver-kit/keep-alive.ts';
export { type KeyChange, WatchCursor } from './driver-kit/kv-watch-cursor.ts';
export { isAborted, LazyAbortController, whenAborted } from './driver-kit/lazy-abort.ts';
export { Limiter } from './driver-kit/limiter.ts';
export { Listeners } from './driver-kit/listeners.ts';
export { completeMessage, decodeFields, encodeFields } from './driver-kit/message-fields.ts';
export { checkFilePath } from './driver-kit/options/file-path.ts';
export type { OptionRow, TlsOptions } from './driver-kit/options/option-kinds.ts';
export * as option from './driver-kit/options/option-kinds.ts';
export {
  type CompleteOptions,
  decodeUrlPart,
  defineOptions,
  type OptionTable,
  readUrlPath,
} from './driver-kit/options/option-table.ts';
export type {
  Retention,
  RetentionOptions,
} from './driver-kit/options/retention.ts';
export { parseServerAddress, readServerUrl, type ServerAddress } from './driver-kit/options/server-url.ts';
export { passOn } from './driver-kit/passed-on.ts';
export { readAhead } from './driver-kit/read-ahead.ts';
export { putEntries } from './driver-kit/settlement-entries.ts';
export { SocketProgress, type WatchedSocket } from './driver-kit/socket-progress.ts';
export { checkStoreFormat, newStoreHeader, type StoreHeader } from './driver-kit/store-header.ts';
export { StoreWatch } from './driver-kit/store-watch.ts';
export { TickBatcher, type TickBatcherOptions } from './driver-kit/tick-batcher.ts';
export { readTrustedFile } from './driver-kit/trusted-file.ts';
export { type FacetName, unsupportedFacet } from './driver-kit/unsupported-facet.ts';
export { waitForServer } from './driver-kit/wait-for-server.ts';
export { WaitingReceives } from './driver-kit/waiting-receives.ts';
export { WorkFailures } from './driver-kit/work-failures.ts';
export { type OpenTransportOptions, openTransport } from './open/open-transport.ts';
export { checkMessage, prepareMessages } from './open/prepare-message.ts';
