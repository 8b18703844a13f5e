/** The way of the messages of a queue: into the queue of the same name. */

import type { CallOptions, Delivery, QueueSettings, SendResult, Transport } from '@busbar/api/transport';
import type { StoreEnds } from '../store-end.ts';
import { toForwarded } from './forwarded-message.ts';
import type { Route } from './forwarder.ts';
import { hasVisited } from './visited.ts';

const MAX_DEDUPE_MS = 604_800_000;

/** What a route works with. */
export interface RouteOptions {
  readonly ends: StoreEnds;
  readonly fromId: string;
  readonly toId: string;
}

/** The way of one queue. */
export class QueueRoute implements Route {
  readonly queue: string;
  readonly counter = 'messages';
  readonly #options: RouteOptions;
  #isCreated = false;

  constructor(options: RouteOptions, queue: string) {
    this.#options = options;
    this.queue = queue;
  }

  async prepare(): Promise<void> {
    this.#isCreated = false;
  }

  refuse({ headers, topic }: Delivery): { kind: 'dead'; reason: string } | undefined {
    const { ends, toId } = this.#options;
    if (hasVisited(headers, toId)) {
      return { kind: 'dead', reason: `it has been in ${ends.to.name} before: the bridges of this queue form a ring` };
    }
    if (topic === undefined) return undefined;
    return { kind: 'dead', reason: 'it is an event: a bridge forwards it by its topic' };
  }

  async send(deliveries: readonly Delivery[], bounds: CallOptions): Promise<readonly SendResult[]> {
    const { ends, fromId } = this.#options;
    if (!this.#isCreated) await createLike(ends, this.queue, bounds);
    this.#isCreated = true;
    const messages = deliveries.map((delivery) => toForwarded(delivery, fromId));
    return ends.to.transport.queues.send(this.queue, messages, bounds);
  }
}

/** Creates the queue in the target with the settings that it has in the source. An existing one stays as it is. */
async function createLike({ from, to }: StoreEnds, queue: string, bounds: CallOptions): Promise<void> {
  if ((await settingsOf(to.transport, queue, bounds)) !== undefined) return;
  const settings = await settingsOf(from.transport, queue, bounds);
  if (settings === undefined) return;
  const { leaseMs, dedupeMs } = settings;
  // A bridge that is killed sends a batch again when its leases have ended: the target must know the ids until then.
  const window = Math.min(MAX_DEDUPE_MS, Math.max(dedupeMs, 4 * leaseMs));
  await to.transport.queues.configure(queue, { ...settings, dedupeMs: window, frozen: false, paused: false }, bounds);
}

async function settingsOf(
  { admin }: Transport,
  queue: string,
  bounds: CallOptions,
): Promise<Required<QueueSettings> | undefined> {
  const [found] = await admin.queues({ names: [queue], ...bounds });
  return found?.settings;
}
