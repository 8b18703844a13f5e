/** A target: Busbar or a peer, as the scenarios use it. */

import type { Client, TargetLocation } from '../client.ts';
import type { Durability } from '../durability.ts';
import type { ServerName } from '../sandbox/servers.ts';
import type { ScenarioName } from '../scenarios/scenario-name.ts';

/** One target. */
export interface Target {
  /** What it is, and what to know for a fair comparison. */
  readonly about: string;
  /** It is Busbar, not a peer. */
  readonly busbar?: true;
  /** The scenarios that it supports. */
  readonly can: readonly ScenarioName[];
  /** The server that it needs. */
  readonly server?: ServerName;
  /** Default: those of its server. */
  readonly durabilities?: readonly Durability[];
  /** Sends as many messages in one call as other targets have in flight. */
  readonly batch?: true;
  /** The peers that its figures are divided by: the first one with figures counts. */
  readonly beside?: readonly string[];
  open(location: TargetLocation): Promise<Client>;
}
