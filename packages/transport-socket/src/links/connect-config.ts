/** How a client reaches a hub, and starts the one that belongs to its place. */

import type { Probe } from '../local/hub-lock.ts';
import { type LinkOptions, type LinkSettings, toLinkSettings } from '../options.ts';
import type { ClientLink } from './link.ts';
import type { HubWishes } from './url.ts';

/** How to reach a hub. */
export interface ClientPlan {
  readonly link: ClientLink;
  readonly settings: LinkSettings;
  /** The hub of this place, where its first client can start it. */
  readonly own?: OwnHub;
}

/** A hub that belongs to a place in the file system. */
export interface OwnHub {
  readonly path: string;
  /** The URL it listens at. */
  readonly listen: string;
  /** The URL of its store. */
  readonly store: string;
  readonly idleMs: number;
  readonly isListening: Probe;
}

const IDLE_MS = 30_000;

/** The plan for the hub that belongs to `path`. */
export function ownPlan(
  { store, idleMs = IDLE_MS, ...options }: LinkOptions & HubWishes,
  link: ClientLink,
  place: { readonly path: string; readonly scheme: string; readonly isListening: Probe },
): ClientPlan {
  const { path, scheme, isListening } = place;
  const encoded = path.replaceAll(/[%?#]/g, encodeURIComponent);
  const own = { path, listen: `${scheme}${encoded}`, store: store ?? `sqlite:${encoded}.db`, idleMs, isListening };
  return { link, settings: toLinkSettings(options), own };
}
