/** What a link is: a way to carry frames between a hub and its clients. Unix sockets, WebSocket and ZeroMQ are one each. */

import type { BusbarError } from '@busbar/api/transport';
import type { Frame } from '../wire/frame.ts';

/**
 * One connection: frames both ways, in order, until it is closed. What was sent may be lost when it breaks, but never in
 * the middle: what arrives is a beginning of what was sent.
 */
export interface Connection {
  /** Sends a frame. Those of one turn of the event loop leave together. After the end nothing happens. */
  send(frame: Frame): void;
  /** Bytes that were sent and wait in this process for the peer to take them. */
  readonly buffered: number;
  /** Takes nothing from the peer until {@link Connection.resume}. A link that cannot do that for one peer does nothing. */
  pause(): void;
  resume(): void;
  /** Ends it once what was sent has left, within a second. */
  close(): void;
  /** Ends it at once. */
  destroy(): void;
}

/** Who is told of a connection. Called one at a time, never before the connection was handed over. */
export interface ConnectionEvents {
  /** Frames came, all of one turn together. */
  onFrames(frames: readonly Frame[]): void;
  /** It is over: `error` says what broke it, undefined after an orderly end by either side. Called once, and last. */
  onClose(error: BusbarError | undefined): void;
  /** All that was buffered has left. */
  onDrain?(): void;
}

/** The client's side of a link. */
export interface ClientLink {
  /** Such as `unix`: the name of the transport. */
  readonly name: string;
  /** Where the hub is, for people; no secrets. */
  readonly address: string;
  /** How far apart hub and clients may be. */
  readonly reach: 'host' | 'network';
  /** What to say in hello to be let in; asked for once the connection is there. */
  token(): Promise<string | undefined>;
  /**
   * Connects. Rejects with UNAVAILABLE where no hub listens (it is tried again), with another code where trying again
   * cannot help. `signal` ends the attempt.
   */
  connect(events: ConnectionEvents, signal: AbortSignal): Promise<Connection>;
}

/** The hub's side of a link. */
export interface HubLink {
  /** The URL clients connect to; no secrets. */
  readonly address: string;
  /** Listens for `door`. Rejects where it cannot. */
  listen(door: Door): Promise<Listener>;
}

/** What a hub does with who comes. */
export interface Door {
  /** Takes a new connection; says who hears of it. */
  accept(connection: Connection, peer: PeerInfo): ConnectionEvents;
  /** Whether a token lets somebody in: for links that can refuse before there is a connection. Constant in time. */
  admits(token: string | undefined): boolean;
  /** Logs why somebody was refused before there was a connection. */
  refused(reason: string, address: string): void;
}

/** What a link knows of who connected. */
export interface PeerInfo {
  /** For the log: an address without secrets, such as `unix` or `127.0.0.1:51000`. */
  readonly address: string;
  /** The token that was given while connecting (in the upgrade of a WebSocket), where the link has one; else hello has it. */
  readonly token?: string;
  /** The token that a link of this machine wants beside those of the hub: it opens the door to any agent. */
  readonly expects?: string;
}

/** A link that listens. */
export interface Listener {
  /** Takes no new connections, and removes what it left in the file system. Open connections stay. */
  close(): Promise<void>;
}
