/** The dead letters of one queue: read, put back, thrown away. */

import { invalid } from '../contract/errors.ts';
import type { AttemptRecord } from '../contract/message.ts';
import { checkQueueName } from '../contract/names.ts';
import type { BrowsedMessage, CallOptions, Transport } from '../contract/transport.ts';
import { checkArray, checkInteger, checkOptions, describe } from '../contract/validation.ts';
import { type Received, toReadable } from './consuming/received.ts';
import type { Bodies } from './messages/body-codec.ts';

/** A message that was given up. `attempt` counts the attempts it had; a body that cannot be decoded is its bytes. */
export interface DeadLetter extends Received {
  readonly queue: string;
  /** Why it died. */
  readonly reason: string;
  /** When it died, in milliseconds since 1970. */
  readonly diedAt: number;
  /** Its last 20 attempts, oldest first. */
  readonly history: readonly AttemptRecord[];
}

/** One page of dead letters, oldest first. */
export interface DeadLetterPage {
  readonly messages: readonly DeadLetter[];
  /** What `after` takes for the next page; undefined after the last. */
  readonly next: string | undefined;
}

/** Which dead letters to read. */
export interface DeadLetterQuery extends CallOptions {
  /** Only these, at most 1,000. */
  readonly ids?: readonly string[];
  /** 1 to 1,000. Default 100. */
  readonly limit?: number;
  /** The `next` of the page before. */
  readonly after?: string;
}

/** Which dead letters to put back. */
export interface RedriveOptions extends CallOptions {
  /** Only these. Default: all that are there now, oldest first. */
  readonly ids?: readonly string[];
  /** How many at most, 1 or more. Default: all. */
  readonly limit?: number;
}

/** Which dead letters to throw away. */
export interface PurgeLettersOptions extends CallOptions {
  /** Only these. Default: all. */
  readonly ids?: readonly string[];
}

const BOUNDS = ['timeoutMs', 'signal'];
const BATCH = 1000;
const MAX_IDS = 1_000_000;

/** The queue behind what a user calls it: an agent's name, `@…`, stands for its mailbox. Throws INVALID_ARGUMENT. */
export function mailboxOrQueue(name: string): string {
  checkQueueName(name);
  return name.startsWith('@') ? `$inbox.${name}` : name;
}

/** The dead letters of one queue, or of an agent's mailbox. */
export class DeadLetters {
  /** The queue they died in. */
  readonly queue: string;
  readonly #transport: Transport;
  readonly #bodies: Bodies;

  /** Made by the bus. Throws INVALID_ARGUMENT for a bad name. */
  constructor(transport: Transport, bodies: Bodies, name: string) {
    this.queue = mailboxOrQueue(name);
    this.#transport = transport;
    this.#bodies = bodies;
  }

  /** How many there are. */
  async count(options?: CallOptions): Promise<number> {
    checkOptions(options, BOUNDS, 'count options');
    const [info] = await this.#transport.admin.queues({ ...options, names: [this.queue] });
    return info?.dead ?? 0;
  }

  /** One page of them, oldest first. They stay where they are. */
  async browse(query?: DeadLetterQuery): Promise<DeadLetterPage> {
    checkOptions(query, ['ids', 'limit', 'after', ...BOUNDS], 'dead letter query');
    const page = await this.#transport.admin.browse(this.queue, { ...query, state: 'dead' });
    return { messages: page.messages.map((browsed) => this.#toLetter(browsed)), next: page.next };
  }

  /**
   * Puts them back into the queue, with the same ids and fresh attempts; resolves with how many. Those that die again
   * meanwhile are not put back twice.
   */
  async redrive(options?: RedriveOptions): Promise<number> {
    checkOptions(options, ['ids', 'limit', ...BOUNDS], 'redrive options');
    checkInteger(options?.limit, 'limit', { min: 1, max: Number.MAX_SAFE_INTEGER });
    const { ids, limit = Number.POSITIVE_INFINITY, ...bounds } = options ?? {};
    if (ids !== undefined) return this.#redriveThese(checkIds(ids).slice(0, limit), bounds);
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

  /** Throws them away for good; resolves with how many. */
  async purge(options?: PurgeLettersOptions): Promise<number> {
    checkOptions(options, ['ids', ...BOUNDS], 'purge options');
    const { ids, ...bounds } = options ?? {};
    if (ids === undefined) return this.#transport.admin.purge(this.queue, { ...bounds, state: 'dead' });
    let total = 0;
    for (const some of batches(checkIds(ids))) {
      total += await this.#transport.admin.purge(this.queue, { ...bounds, state: 'dead', ids: some });
    }
    return total;
  }

  async #redriveThese(ids: readonly string[], bounds: CallOptions): Promise<number> {
    let total = 0;
    for (const some of batches(ids)) {
      total += await this.#transport.admin.redrive(this.queue, { ...bounds, ids: some });
    }
    return total;
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

function* batches(ids: readonly string[]): Generator<readonly string[]> {
  for (let start = 0; start < ids.length; start += BATCH) yield ids.slice(start, start + BATCH);
}
