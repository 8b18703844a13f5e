/// <reference lib="esnext.disposable" preserve="true" />
/** Busbar in a browser: a client of the hub over WebSocket. */

import './disposal.ts';

export type { AgentInfo, EventOptions, MailOptions, PresenceChange, ReceivedMessage, TaskHandle } from '@busbar/api';
export { RejectError, RetryError } from '@busbar/api';
export { BusbarError, isBusbarError } from '@busbar/api/transport';
export { connect } from './connect.ts';
export type { ConnectOptions } from './options.ts';
export type {
  EventHandler,
  Handler,
  HandlerContext,
  PageBus,
  PageTaskOptions,
  RequestOptions,
  Stored,
  SubscribeOptions,
  Subscription,
  TaskCounts,
} from './page-bus.ts';
