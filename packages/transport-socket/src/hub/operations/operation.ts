/** What an operation of the hub is given and what it answers. */

import type { Transport } from '@busbar/api/transport';
import type { Head } from '../../wire/frame.ts';
import type { CallRouter } from '../calls/call-router.ts';
import type { ServedCalls } from '../calls/inflight-served.ts';
import type { Cancellation } from '../cancellation-token.ts';
import type { Cursors } from './cursors.ts';
import type { QueueSizes } from './queue-sizes.ts';

/** One request, and what it may reach. */
export interface Request {
  readonly id: number;
  readonly head: Head;
  readonly bodies: readonly Uint8Array[];
  /** When the client waits no more, or has gone. */
  readonly cancellation: Cancellation;
  readonly client: Client;
}

/** What one client has at the hub. */
export interface Client {
  readonly store: Transport;
  /** The only agent that it may speak for. */
  readonly agent: string | undefined;
  readonly cursors: Cursors;
  readonly router: CallRouter;
  /** What it serves itself. */
  readonly served: ServedCalls;
  readonly sizes: QueueSizes;
  readonly maxBodyBytes: number;
  readonly hub: HubControl;
  /** True once its connection is over. */
  readonly isGone: boolean;
  /** False where it cannot be sent any more. */
  send(
    type: 'part' | 'call' | 'credit' | 'cancel' | 'answer' | 'error',
    id: number,
    head?: Head,
    bodies?: readonly Uint8Array[],
  ): boolean;
}

/** What an operation answers. */
export interface Reply {
  readonly head?: Head;
  readonly bodies?: readonly Uint8Array[];
  /** Called where the answer cannot be sent any more. */
  readonly undo?: () => void;
}

/** Does what a request asks for. */
export type Operation = (request: Request) => Promise<Reply>;

/** How a hub is. */
export interface HubStatus {
  /** Differs from one life of a hub to the next. */
  readonly hub: string;
  readonly pid: number;
  /** The name of its store, such as `sqlite`. */
  readonly store: string;
  /** The URLs that it listens on. */
  readonly addresses: readonly string[];
  /** Clients that are connected now, who asks included. */
  readonly clients: number;
  readonly upMs: number;
}

/** What clients may ask of the hub itself. */
export interface HubControl {
  status(store: string): HubStatus;
  /** Ends it, after what is being answered now. */
  stop(): void;
}
