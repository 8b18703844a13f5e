/** Parts of the NATS client that it offers no access to. Its socket and its timers must not keep the process alive. */

import type { Socket } from 'node:net';
import type { NatsConnection } from '@nats-io/transport-node';

/**
 * As in version 3.4. A version without one of them works, but keeps an idle process alive, and the test of idle processes
 * fails.
 */
interface ClientInternals {
  readonly protocol?: {
    readonly transport?: { readonly socket?: Partial<Socket> };
    readonly heartbeats?: { readonly timer?: Partial<NodeJS.Timeout> };
    /** Tries one server, once. */
    _doDial?(server: unknown): Promise<void>;
  };
}

/** The socket of the present connection. */
export function socketOf(client: NatsConnection): Partial<Socket> | undefined {
  return (client as ClientInternals).protocol?.transport?.socket;
}

/** Call it after each connection, which has a new socket and a new timer. */
export function unrefClient(client: NatsConnection): void {
  const { protocol } = client as ClientInternals;
  socketOf(client)?.unref?.();
  protocol?.heartbeats?.timer?.unref?.();
}

/** Has the client await `pause` before each attempt to reconnect. Returns false if it cannot. */
export function pauseBeforeDials(client: NatsConnection, pause: () => Promise<void>): boolean {
  const { protocol } = client as ClientInternals;
  const dial = protocol?._doDial;
  if (protocol === undefined || typeof dial !== 'function') return false;
  protocol._doDial = async (server) => {
    await pause();
    if (client.isClosed()) throw new Error('the connection was closed');
    await dial.call(protocol, server);
  };
  return true;
}
