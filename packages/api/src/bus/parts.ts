/** What agents stand on, beside the kernel. */

import type { Calls } from '../contract/transport.ts';
import type { Mail } from './mail/mail.ts';
import type { Heartbeats } from './registry/heartbeats.ts';
import type { Registry } from './registry/registry.ts';

/** What agents stand on. */
export interface AgentParts {
  readonly registry: Registry;
  readonly heartbeats: Heartbeats;
  readonly mail: Mail;
  /** The transport's, or emulated over its queues. */
  readonly calls: Calls;
}
