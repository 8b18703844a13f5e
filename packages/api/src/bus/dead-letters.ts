/** Dead letters: browse, redrive, purge. */

import { invalid } from '../contract/errors.ts';
import type { AttemptRecord } from '../contract/message.ts';
import { checkQueueName, quote } from '../contract/names.ts';
import type { BrowsedMessage, CallOptions, Transport } from '../contract/transport.ts';
import { checkArray, checkInteger, checkOptions, describe } from '../contract/validation.ts';
import { type ReceivedMessage, toReadable } from './consuming/received.ts';
import { durableQueue } from './events/subscriptions.ts';
import type { BodyCodec } from './messages/body-codec.ts';
import type { QueueDefinition } from './messages/definitions.ts';
import { checkAgentName, inboxOf } from './registry/agent-names.ts';
import type { BusRuntime } from './runtime.ts';
import { toQueueDefinition } from './tasks/enqueue-options.ts';

/** A dead letter. `attempt` counts its attempts; a body that cannot be decoded stays bytes. */
export interface DeadLetter extends ReceivedMessage {
  readonly queue: string;
  /** Why the message became a dead letter. */
  readonly reason: string;
  /** When, in milliseconds since 1970. */
  readonly diedAt: number;
  /** Its last 20 attempts, oldest first. */
  readonly history: readonly AttemptRecord[];
}

/** One page of dead letters, oldest first. */
export interface DeadLetterPage {
  readonly messages: readonly DeadLetter[];
  /** The `after` of the next page; undefined after the last. */
  readonly next: string | undefined;
}

/** Which dead letters to read. */
export interface DeadLetterQuery extends CallOptions {
  /** Only these, at most 1,000. */
  readonly ids?: readonly string[] | undefined;
  /** 1 to 1,000. Default 100. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly after?: string | undefined;
}

/** Which dead letters to redrive. */
export interface RedriveOptions extends CallOptions {
  /** Only these. Default: all present ones, oldest first. */
  readonly ids?: readonly string[] | undefined;
  /** The most to redrive, 1 or more. Default: all. */
  readonly limit?: number | undefined;
}

/** Which dead letters to delete. */
export interface PurgeLettersOptions extends CallOptions {
  /** Only these. Default: all. */
  readonly ids?: readonly string[] | undefined;
}

const BOUNDS = ['timeoutMs', 'signal'];
const BATCH = 1000;
const MAX_IDS = 1_000_000;

/** The queue that has the dead letters: a queue of tasks, the inbox of an agent, or a durable subscription. */
export type DeadLetterSource =
  | string
  | QueueDefinition
  | { readonly agent: string }
  | { readonly subscription: string };

/** The dead letters of one queue. */
export interface DeadLetters {
  /** The queue of the transport. */
  readonly queue: string;
  /** How many there are. */
  count(options?: CallOptions): Promise<number>;
  /** Returns one page, oldest first. They stay dead letters. */
  browse(query?: DeadLetterQuery): Promise<DeadLetterPage>;
  /**
   * Returns dead letters to the queue, with the same ids and fresh attempts. Resolves with how many. A message that dies
   * again meanwhile is not returned twice.
   */
  redrive(options?: RedriveOptions): Promise<number>;
  /** Deletes dead letters for good. Resolves with how many. */
  purge(options?: PurgeLettersOptions): Promise<number>;
}

/** The dead letters of `source`. Throws INVALID_ARGUMENT. */
export function openDeadLetters({ transport, bodyCodec }: BusRuntime, source: DeadLetterSource): DeadLetters {
  return new DeadLettersImpl(transport, bodyCodec, queueOf(source));
}

function queueOf(source: DeadLetterSource): string {
  if (typeof source === 'string') {
    checkQueueName(source);
    if (!source.startsWith('@')) return source;
    throw invalid(
      `${quote(source)} is the name of an agent`,
      'Pass { agent: name } for the dead letters of its inbox.',
    );
  }
  if (typeof source === 'object' && source !== null && 'kind' in source) return toQueueDefinition(source).queue;
  checkOptions(source ?? null, ['agent', 'subscription'], 'source of dead letters');
  const { agent, subscription } = source as { agent?: unknown; subscription?: unknown };
  if ((agent === undefined) === (subscription === undefined)) {
    throw invalid('dead letters have one source', 'Pass a queue, { agent } or { subscription }.');
  }
  if (agent === undefined) return durableQueue(subscription);
  checkAgentName(agent);
  return inboxOf(agent);
}

class DeadLettersImpl implements DeadLetters {
  readonly queue: string;
  readonly #transport: Transport;
  readonly #bodies: BodyCodec;

  constructor(transport: Transport, bodies: BodyCodec, queue: string) {
    this.queue = queue;
    this.#transport = transport;
    this.#bodies = bodies;
  }

  async count(options?: CallOptions): Promise<number> {
    checkOptions(options, BOUNDS, 'count options');
    const [info] = await this.#transport.admin.queues({ ...options, names: [this.queue] });
    return info?.dead ?? 0;
  }

  async browse(query?: DeadLetterQuery): Promise<DeadLetterPage> {
    checkOptions(query, ['ids', 'limit', 'after', ...BOUNDS], 'dead letter query');
    const page = await this.#transport.admin.browse(this.queue, { ...query, state: 'dead' });
    return { messages: page.messages.map((browsed) => this.#toLetter(browsed)), next: page.next };
  }

  async redrive(options?: RedriveOptions): Promise<number> {
    checkOptions(options, ['ids', 'limit', ...BOUNDS], 'redrive options');
    checkInteger(options?.limit, 'limit', { min: 1, max: Number.MAX_SAFE_INTEGER });
    const { ids, limit = Number.POSITIVE_INFINITY, ...bounds } = options ?? {};
    if (ids !== undefined) {
      const run = (some: readonly string[]): Promise<number> =>
        this.#transport.admin.redrive(this.queue, { ...bounds, ids: some });
      return inBatches(checkIds(ids).slice(0, limit), run);
    }
    let left = Math.min(limit, await this.count(bounds));
    let total = 0;
    while (left > 0) {
      const moved = await this.#transport.admin.redrive(this.queue, { ...bounds, limit: Math.min(BATCH, left) });
      if (moved === 0) break;
      total += moved;
      left -= moved;
    }
    return total;
  }

  async purge(options?: PurgeLettersOptions): Promise<number> {
    checkOptions(options, ['ids', ...BOUNDS], 'purge options');
    const { ids, ...bounds } = options ?? {};
    if (ids === undefined) return this.#transport.admin.purge(this.queue, { ...bounds, state: 'dead' });
    return inBatches(checkIds(ids), (some) =>
      this.#transport.admin.purge(this.queue, { ...bounds, state: 'dead', ids: some }),
    );
  }

  #toLetter({ message, attempts, dead, history }: BrowsedMessage): DeadLetter {
    const { reason = '', at = 0 } = dead ?? {};
    return {
      ...toReadable(this.#bodies, { ...message, attempt: attempts }),
      queue: this.queue,
      reason,
      diedAt: at,
      history,
    };
  }
}

function checkIds(ids: unknown): readonly string[] {
  checkArray(ids, 'ids', MAX_IDS);
  for (const id of ids) if (typeof id !== 'string') throw invalid(`illegal id: ${describe(id)}`, 'Ids are strings.');
  return ids as readonly string[];
}

/** The sum of the results of `run` for all ids. */
async function inBatches(ids: readonly string[], run: (some: readonly string[]) => Promise<number>): Promise<number> {
  let total = 0;
  for (let start = 0; start < ids.length; start += BATCH) total += await run(ids.slice(start, start + BATCH));
  return total;
}
