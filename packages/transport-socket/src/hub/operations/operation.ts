/** Operations of a hub, and what they can access. */

import type { Transport } from '@busbar/api/transport';
import type { HubStatus } from '../../wire/protocol.ts';
import type { AnswerGate } from '../answer-gate.ts';
import type { CallRouter, RouteRequest } from '../calls/call-router.ts';
import type { ClientServices } from '../calls/client-services.ts';
import type { CallPeer } from '../calls/proxied-call.ts';
import type { ReplyQueues } from '../rights/reply-queues.ts';
import type { SignedReceipts } from '../rights/signed-receipts.ts';
import type { ClientCursors, HubResponse } from './cursors.ts';
import type { QueueSizes } from './queue-sizes.ts';

/** One request of a client. */
export interface HubRequest extends RouteRequest {
  readonly client: ClientSession;
}

/** The state of one client. */
export interface ClientSession extends CallPeer {
  readonly store: Transport;
  readonly cursors: ClientCursors;
  readonly answers: AnswerGate;
  readonly router: CallRouter;
  /** The services of this client. */
  readonly services: ClientServices;
  readonly sizes: QueueSizes;
  readonly replyQueues: ReplyQueues;
  /** Set if its token belongs to one agent: it may do only what that agent does. */
  readonly limit: AgentLimit | undefined;
  readonly hub: HubControl;
}

/** The limit of a client whose token belongs to one agent. */
export interface AgentLimit {
  readonly agent: string;
  readonly receipts: SignedReceipts;
}

/** Carries out a request. */
export type HubOperation = (request: HubRequest) => Promise<HubResponse>;

/** What clients may request of the hub itself. */
export interface HubControl {
  status(store: string): HubStatus;
  /** Ends the hub after the current responses. */
  stop(): void;
}
