/** What the URL of a hub means for a client and for the hub itself. */

import type { ListeningProbe } from '../local/listen-at-path.ts';
import { OPTIONS, type UrlOptions, type UrlSettings } from '../options.ts';
import type { ClientLink, HubLink } from './link.ts';

/** How a client connects to a hub. */
export interface ConnectConfig {
  readonly link: ClientLink;
  readonly settings: UrlSettings;
  /** The hub of a path, which its first client may start. */
  readonly localHub?: LocalHub | undefined;
}

/** The hub of a path on this machine. */
export interface LocalHub {
  readonly path: string;
  /** The URL where it listens. */
  readonly listen: string;
  /** The URL of its store. */
  readonly store: string;
  readonly idleMs: number;
  readonly isListening: ListeningProbe;
}

/** One kind of link. Both functions throw INVALID_ARGUMENT for an illegal URL. */
export interface LinkScheme {
  connect(url: string): ConnectConfig;
  listen(url: string): HubLink;
}

/** The configuration of a client whose hub belongs to `path`. */
export function pathConfig(
  options: UrlOptions,
  link: ClientLink,
  { path, prefix, isListening }: Pick<LocalHub, 'path' | 'isListening'> & { readonly prefix: string },
): ConnectConfig {
  const settings = OPTIONS.complete(options);
  const encoded = path.replaceAll(/[%?#]/g, encodeURIComponent);
  // `bus.sock`, `bus.zmq` and `bus.ws` lend `bus.db`, which is also the file of a program without a hub.
  const store = settings.store ?? `sqlite:${encoded.replace(/\.(?:sock|zmq|ws)$/, '')}.db`;
  const localHub = { path, listen: `${prefix}${encoded}`, store, idleMs: settings.idleMs, isListening };
  return { link, settings, localHub };
}
