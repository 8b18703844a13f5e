/// <reference lib="esnext.disposable" preserve="true" />
/** Busbar in a browser: a client of the hub over WebSocket. */

import './disposal.ts';

export type { AgentInfo, EventOptions, MailOptions, PresenceChange, ReceivedMessage, TaskHandle } from '@busbar/api';
export { RejectError, RetryError } from '@busbar/api';
export { BusbarError, isBusbarError } from '@busbar/api/transport';
export type { Handler, HandlerContext } from './agent/handlers.ts';
export { connect } from './connect.ts';
export type { ConnectOptions } from './options.ts';
export type { PageBus, Stored } from './page-bus.ts';
export type { RequestOptions } from './work/requests.ts';
export type { EventHandler, SubscribeOptions, Subscription } from './work/subscriptions.ts';
export type { PageTaskOptions, TaskCounts } from './work/tasks.ts';
