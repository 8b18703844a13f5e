/** The sockets of ZeroMQ, which is loaded on first use: sends never block, and queues and messages are bounded. */

import { isMainThread } from 'node:worker_threads';
import { BusbarError, missingPackage } from '@busbar/api/transport';
import { MAX_FRAME_BYTES } from '@busbar/wire';
import type { Dealer, Router } from 'zeromq';
import { MAX_PACKETS } from './packet-window.ts';

/** Makes sockets in one context of ZeroMQ. */
export interface ZmqSockets {
  readonly dealer: (options: ConstructorParameters<typeof Dealer>[0]) => Dealer;
  /** Receives an empty message when a peer disconnects. */
  readonly router: (options: ConstructorParameters<typeof Router>[0]) => Router;
}

/** One connection takes three sockets: its own, and two for the monitor that reports its end. */
const MAX_SOCKETS = 16_384;
/** ZMQ_ROUTER_NOTIFY and ZMQ_NOTIFY_DISCONNECT: ROUTER receives an empty message when a peer disconnects. */
const ROUTER_NOTIFY = 97;
const NOTIFY_DISCONNECT = 2;

let loading: Promise<ZmqSockets> | undefined;

/**
 * The sockets of this process. Rejects with UNAVAILABLE if ZeroMQ is not installed: it is an optional peer, since it takes 34 MB.
 * Rejects with UNSUPPORTED in Bun, and in a worker thread: when a thread ends while its socket receives, ZeroMQ aborts the process.
 */
export function loadZmqSockets(): Promise<ZmqSockets> {
  loading ??= load();
  return loading;
}

async function load(): Promise<ZmqSockets> {
  if (!isMainThread) {
    throw new BusbarError('UNSUPPORTED', 'ZeroMQ aborts the process when a worker thread ends that uses it', {
      hint: 'Use unix: or ws: in worker threads, or open the bus in the main thread.',
    });
  }
  // Its binary calls functions that Bun lacks, which ends the process.
  if (process.versions['bun'] !== undefined) {
    throw new BusbarError('UNSUPPORTED', 'Bun cannot run the ZeroMQ library', { hint: 'Use unix: or ws: with Bun.' });
  }
  // Also loaded on demand in a bundle, where imports of this package become one file.
  const zeromq = await import('zeromq').catch(missingPackage('zeromq'));
  const common = {
    context: new zeromq.Context({ maxSockets: MAX_SOCKETS }),
    // A send succeeds or fails before it returns. zeromq.js allows one send at a time.
    sendTimeout: 0,
    sendHighWaterMark: 4 * MAX_PACKETS,
    receiveHighWaterMark: 2 * MAX_PACKETS,
    maxMessageSize: MAX_FRAME_BYTES + 4,
    linger: 0,
  };
  class NotifyingRouter extends zeromq.Router {
    /** If libzmq lacks this option, only heartbeats detect lost peers, which takes longer. */
    notifyDisconnects(): this {
      try {
        this.setInt32Option(ROUTER_NOTIFY, NOTIFY_DISCONNECT);
      } catch {
        // Heartbeats suffice.
      }
      return this;
    }
  }
  return {
    dealer: (options) => new zeromq.Dealer({ ...common, ...options }),
    router: (options) => new NotifyingRouter({ ...common, ...options }).notifyDisconnects(),
  };
}
