/** What agents stand on, beside the kernel. */

import type { Calls } from '../transport.ts';
import type { Heartbeats } from './heartbeats.ts';
import type { Mail } from './mail.ts';
import type { Registry } from './registry.ts';

/** What agents stand on. */
export interface AgentParts {
  readonly registry: Registry;
  readonly heartbeats: Heartbeats;
  readonly mail: Mail;
  /** The transport's, or emulated over its queues. */
  readonly calls: Calls;
}
