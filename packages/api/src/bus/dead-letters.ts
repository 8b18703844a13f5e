/** Dead letters: browse, redrive, purge. */

import type { BrowsedMessage } from '../contract/admin.ts';
import type { CallOptions } from '../contract/call-options.ts';
import { invalid } from '../contract/errors.ts';
import type { AttemptRecord } from '../contract/message.ts';
import { checkQueueName, quote } from '../contract/names.ts';
import type { Transport } from '../contract/transport.ts';
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

/**
 * The queue that has the dead letters: a queue of tasks, the inbox of an agent, or a durable subscription. Without a queue
 * of that name, a string is the name of an agent, or else of a durable subscription.
 */
export type DeadLetterSource =
  | string
  | QueueDefinition
  | { readonly agent: string; readonly subscription?: undefined }
  | { readonly subscription: string; readonly agent?: undefined };

/** The dead letters of one queue. */
export interface DeadLetters {
  /** The queue of the transport, as far as it is known: the first call finds the queue of an agent or a subscription. */
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
  const queue = queueOf(source);
  const others = typeof source === 'string' && !source.startsWith('$') ? othersOf(source) : [];
  return new DeadLettersImpl(transport, bodyCodec, [queue, ...others]);
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

/** The queues of an agent and of a durable subscription of this name, if it is legal for them. */
function othersOf(name: string): string[] {
  return [`$inbox.${name}`, `$sub.${name}`].filter((queue) => {
    try {
      checkQueueName(queue);
      return true;
    } catch {
      return false;
    }
  });
}

class DeadLettersImpl implements DeadLetters {
  /** The first that exists has the dead letters. */
  readonly #names: readonly string[];
  #found: string | undefined;
  readonly #transport: Transport;
  readonly #bodies: BodyCodec;

  constructor(transport: Transport, bodies: BodyCodec, names: readonly string[]) {
    this.#names = names;
    this.#transport = transport;
    this.#bodies = bodies;
  }

  get queue(): string {
    return this.#found ?? this.#names[0] ?? '';
  }

  async count(options?: CallOptions): Promise<number> {
    checkOptions(options, BOUNDS, 'count options');
    const infos = await this.#transport.admin.queues({ ...options, names: this.#names });
    const info = this.#names.map((name) => infos.find((one) => one.name === name)).find((one) => one !== undefined);
    this.#found = info?.name ?? this.#found;
    return info?.dead ?? 0;
  }

  async browse(query?: DeadLetterQuery): Promise<DeadLetterPage> {
    checkOptions(query, ['ids', 'limit', 'after', ...BOUNDS], 'dead letter query');
    const queue = await this.#find(query);
    const page = await this.#transport.admin.browse(queue, { ...query, state: 'dead' });
    return { messages: await Promise.all(page.messages.map((browsed) => this.#toLetter(browsed))), next: page.next };
  }

  async redrive(options?: RedriveOptions): Promise<number> {
    checkOptions(options, ['ids', 'limit', ...BOUNDS], 'redrive options');
    checkInteger(options?.limit, 'limit', { min: 1, max: Number.MAX_SAFE_INTEGER });
    const { ids, limit = Number.POSITIVE_INFINITY, ...bounds } = options ?? {};
    if (ids !== undefined) {
      const some = checkIds(ids).slice(0, limit);
      const queue = await this.#find(bounds);
      return inBatches([...new Set(some)], (batch) => this.#transport.admin.redrive(queue, { ...bounds, ids: batch }));
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
    const some = ids === undefined ? undefined : checkIds(ids);
    const queue = await this.#find(bounds);
    if (some === undefined) return this.#transport.admin.purge(queue, { ...bounds, state: 'dead' });
    return inBatches(some, (batch) => this.#transport.admin.purge(queue, { ...bounds, state: 'dead', ids: batch }));
  }

  /** The queue that has the dead letters. Only a name with several meanings needs a look. */
  async #find({ timeoutMs, signal }: CallOptions = {}): Promise<string> {
    if (this.#found === undefined && this.#names.length > 1) await this.count({ timeoutMs, signal });
    return this.queue;
  }

  async #toLetter({ message, attempts, dead, history }: BrowsedMessage): Promise<DeadLetter> {
    const { reason = '', at = 0 } = dead ?? {};
    return {
      ...(await toReadable(this.#bodies, { ...message, attempt: attempts })),
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
