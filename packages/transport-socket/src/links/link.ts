/** A link carries frames between a hub and its clients. Unix sockets, WebSocket and ZeroMQ are one link each. */

import type { ConnectionEvents, LinkConnection } from '@busbar/wire';

/** The client's side of a link. */
export interface ClientLink {
  /** The name of the transport, such as `unix`. */
  readonly name: string;
  /** The hub's address for messages and logs; it contains no secrets. */
  readonly address: string;
  /** The socket of a hub whose clients are processes of one user on one host. */
  readonly socket?: string;
  /** How far apart hub and clients may be. */
  readonly reach: 'host' | 'network';
  /** Why an idle connection keeps the process alive, if it does: the reason of the missing feature `idleExit`. */
  readonly keepsAlive?: string;
  /** The token for hello. Called when the connection exists, since a new hub may have a new token. */
  token(): Promise<string | undefined>;
  /**
   * Connects; `signal` ends the attempt. Rejects with UNAVAILABLE if no hub listens (the caller retries), and with another
   * code if retrying cannot help.
   */
  connect(events: ConnectionEvents, signal: AbortSignal): Promise<LinkConnection>;
}

/** The hub's side of a link. */
export interface HubLink {
  /** The URL for clients; it contains no secrets. */
  readonly address: string;
  /** Starts listening and gives connections to `acceptor`. */
  listen(acceptor: ConnectionAcceptor): Promise<LinkListener>;
}

/** Takes the connections of a hub's links. */
export interface ConnectionAcceptor {
  /** Takes a new connection and returns the receiver of its events. */
  accept(connection: LinkConnection, peer: PeerInfo): ConnectionEvents;
  /** Whether a token is valid, for links that authorize before they connect. Runs in constant time. */
  authorizes(token: string | undefined): boolean;
  /** Logs why a link refused a peer before it connected. */
  refused(reason: string, address: string): void;
}

/** What a link knows about a peer. */
export interface PeerInfo {
  /** An address for the log, without secrets, such as `unix` or `127.0.0.1:51000`. */
  readonly address: string;
  /** The token of the WebSocket upgrade. Other links send the token in hello. */
  readonly token?: string | undefined;
  /** The token of a link of this machine. It is valid beside the hub's tokens, for any agent. */
  readonly expects?: string | undefined;
}

/** A link that listens. */
export interface LinkListener {
  /** Whether clients still find it by its files; undefined if it has none. */
  readonly isInPlace?: boolean;
  /** Makes its files again after others removed them. Resolves with false if another hub serves at its path now. */
  restore?(): Promise<boolean>;
  /** Stops accepting and removes the link's files. Open connections stay. */
  close(): Promise<void>;
}
